/** Reads and signs requests for certificates with @peculiar/x509. Loaded only by certificates.ts, as the library is slow to load. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { RequestedNames, SignOptions, Subject, Usage } from './certificates.ts';
import { algorithm, backdateMs, newSerial, readAuthority } from './issue.ts';

/** A certificate good for less is not ended earlier by what its beginning was put back, as kube-controller-manager has it. */
const shortMs = 8 * 60 * 60_000;
const alternativeNames = '2.5.29.17';

/** The request in the first PEM block, whose signature is good. Throws an Error in the words of kube-apiserver. */
export async function readSigned(pem: string): Promise<x509.Pkcs10CertificateRequest> {
  const [, type, base64 = ''] = /-----BEGIN ([^-\n]+)-----\s([^-]*)-----END \1-----/.exec(pem) ?? [];
  if (type !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST');
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(Buffer.from(base64, 'base64'));
    subjectOf(request);
  } catch {
    throw new Error('the request is no PKCS #10 certificate request');
  }
  // An algorithm nobody knows throws instead of answering.
  const isSigned = await request.verify().catch(() => false);
  if (!isSigned) throw new Error('the request is not signed with the private key of its public key');
  return request;
}

/** What the request asks to be called. */
export function subjectOf({ subjectName }: x509.Pkcs10CertificateRequest): Subject {
  return { commonName: subjectName.getField('CN')[0] ?? '', organizations: subjectName.getField('O') };
}

/** Everything the request asks for. */
export function namesOf(request: x509.Pkcs10CertificateRequest): RequestedNames {
  const extension = request.getExtension(alternativeNames);
  const names =
    extension === null ? [] : new x509.SubjectAlternativeNameExtension(extension.rawData).names.toJSON();
  return { ...subjectOf(request), names, publicKey: request.publicKey.toString('pem') };
}

/** A key (ECDSA P-256) and the request for it. */
export async function make({
  commonName,
  names,
}: {
  commonName: string;
  names: readonly { type: 'dns' | 'url'; value: string }[];
}): Promise<{ request: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])],
  });
  const exported = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    request: `${request.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(exported, 'PRIVATE KEY')}\n`,
  };
}

/** A certificate (PEM) for the subject, key and alternative names of the request; other extensions it asks for are left out. */
export async function sign(
  request: x509.Pkcs10CertificateRequest,
  { authority, clock, usages, seconds }: SignOptions,
): Promise<string> {
  const issuer = await readAuthority(authority);
  const now = clock.now();
  const lifetimeMs = seconds * 1000;
  const end = now + lifetimeMs - (lifetimeMs < shortMs ? 0 : backdateMs);
  const names = request.getExtension(alternativeNames);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: request.subjectName,
    issuer: issuer.subject,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(Math.min(end, issuer.notAfter.getTime())),
    publicKey: request.publicKey,
    signingKey: issuer.key,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...usageExtensions(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(names === null ? [] : [names]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

function usageExtensions(usages: readonly Usage[]): x509.Extension[] {
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const flags =
    (usages.includes('digital signature') ? digitalSignature : 0) |
    (usages.includes('key encipherment') ? keyEncipherment : 0);
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const extended = [
    ...(usages.includes('client auth') ? [clientAuth] : []),
    ...(usages.includes('server auth') ? [serverAuth] : []),
  ];
  return [
    ...(flags === 0 ? [] : [new x509.KeyUsagesExtension(flags, true)]),
    ...(extended.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(extended)]),
  ];
}
