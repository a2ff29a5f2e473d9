/** Issues certificates with @peculiar/x509. Loaded only by makeKeyPair, because the library takes longer to load than a server to start. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { type IssueOptions, isAddress, type KeyPair, type Purpose } from './certificates.ts';

/** How the authority signs. */
export const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
/** Clocks of other machines may be behind. */
export const backdateMs = 300_000;

/** Makes a key pair (ECDSA P-256) with a certificate for this purpose. */
export async function issue(purpose: Purpose, options: IssueOptions): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const issuer = options.authority === undefined ? undefined : await readAuthority(options.authority);
  const now = options.clock.now();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: subjectOf(purpose),
    issuer: issuer === undefined ? subjectOf(purpose) : issuer.subject,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + options.days * dayMs),
    publicKey: keys.publicKey,
    signingKey: issuer === undefined ? keys.privateKey : issuer.key,
    signingAlgorithm: algorithm,
    extensions: await extensionsOf(purpose, keys.publicKey, issuer?.publicKey),
  });
  const exported = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(exported, 'PRIVATE KEY')}\n`,
  };
}

/** 120 random bits behind a first byte that keeps the number positive (RFC 5280, 4.1.2.2). */
export function newSerial(): string {
  return `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`;
}

/** The authority as the library takes it. */
export async function readAuthority(authority: KeyPair) {
  const certificate = new x509.X509Certificate(authority.certificate);
  const [der] = x509.PemConverter.decode(authority.key);
  if (der === undefined) throw new Error('the key of the certificate authority is no PEM');
  return {
    subject: certificate.subject,
    notAfter: certificate.notAfter,
    publicKey: certificate.publicKey,
    key: await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
  };
}

function subjectOf(purpose: Purpose): { [attribute: string]: string[] }[] {
  const groups = purpose.type === 'client' ? purpose.organizations : [];
  return [...groups.map((group) => ({ O: [group] })), { CN: [purpose.commonName] }];
}

async function extensionsOf(
  purpose: Purpose,
  publicKey: webcrypto.CryptoKey,
  issuerKey: x509.PublicKey | undefined,
) {
  const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const isAuthority = purpose.type === 'authority';
  const common = [
    new x509.BasicConstraintsExtension(isAuthority, undefined, true),
    new x509.KeyUsagesExtension(
      isAuthority ? digitalSignature | keyCertSign | cRLSign : digitalSignature,
      true,
    ),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ...(issuerKey === undefined ? [] : [await x509.AuthorityKeyIdentifierExtension.create(issuerKey)]),
  ];
  switch (purpose.type) {
    case 'authority':
      return common;
    case 'client':
      return [...common, new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])];
    default:
      return [
        ...common,
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(purpose.hosts.map(alternativeName)),
      ];
  }
}

function alternativeName(host: string): { type: 'ip' | 'dns'; value: string } {
  return { type: isAddress(host) ? 'ip' : 'dns', value: host };
}
