/**
 * Makes keys and certificates: an authority, and server and client certificates signed by it. The X.509 library is heavy and
 * only loaded when something must really be made; reading uses node's own parser.
 */
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';

/** A certificate and its private key (PKCS #8), both PEM. */
export type KeyPair = { certificate: string; key: string };

/** What a certificate is for. */
export type Purpose =
  | { type: 'authority'; commonName: string }
  | { type: 'server'; commonName: string; hosts: readonly string[] }
  | { type: 'client'; commonName: string; organizations: readonly string[] };

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
/** Clocks of other machines may be behind. */
const backdateMs = 300_000;

/** Makes a key pair valid for `days`, signed by `authority` (an authority signs itself). */
export async function makeKeyPair(
  purpose: Purpose,
  options: { days: number; clock: Clock; authority?: KeyPair },
): Promise<KeyPair> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const issuer = options.authority === undefined ? undefined : await readAuthority(x509, options.authority);
  const now = options.clock.now();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(15)))
      .toString('hex')
      .padStart(32, '01'),
    subject: subjectOf(purpose),
    issuer: issuer === undefined ? subjectOf(purpose) : issuer.subject,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + options.days * dayMs),
    publicKey: keys.publicKey,
    signingKey: issuer === undefined ? keys.privateKey : issuer.key,
    signingAlgorithm: algorithm,
    extensions: await extensionsOf(x509, purpose, keys.publicKey, issuer?.publicKey),
  });
  const exported = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(exported, 'PRIVATE KEY')}\n`,
  };
}

type X509 = typeof import('@peculiar/x509');

async function readAuthority(x509: X509, authority: KeyPair) {
  const certificate = new x509.X509Certificate(authority.certificate);
  const [der] = x509.PemConverter.decode(authority.key);
  if (der === undefined) throw new Error('the key of the certificate authority is no PEM');
  return {
    subject: certificate.subject,
    publicKey: certificate.publicKey,
    key: await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
  };
}

function subjectOf(purpose: Purpose): { [attribute: string]: string[] }[] {
  const groups = purpose.type === 'client' ? purpose.organizations : [];
  return [...groups.map((group) => ({ O: [group] })), { CN: [purpose.commonName] }];
}

async function extensionsOf(
  x509: X509,
  purpose: Purpose,
  publicKey: webcrypto.CryptoKey,
  issuerKey: InstanceType<X509['PublicKey']> | undefined,
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

function isAddress(host: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(host) || host.includes(':');
}

/** True while the certificate is good for at least `days` more and, given hosts, names them all. */
export function isGood(
  certificate: string,
  options: { clock: Clock; days: number; hosts?: readonly string[]; authority?: string },
): boolean {
  try {
    const parsed = new X509Certificate(certificate);
    const names = (options.hosts ?? []).every(
      (host) => (isAddress(host) ? parsed.checkIP(host) : parsed.checkHost(host)) !== undefined,
    );
    const signed =
      options.authority === undefined || parsed.verify(new X509Certificate(options.authority).publicKey);
    return names && signed && Date.parse(parsed.validTo) - options.clock.now() > options.days * dayMs;
  } catch {
    return false;
  }
}

/** True when the key is the certificate's own: a crash between writing the two leaves a new key beside an old certificate. */
export function isPair({ certificate, key }: KeyPair): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
