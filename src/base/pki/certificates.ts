/** Certificates and keys: what they are for, whether one is still good, and the door to the room that makes them. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.ts';

/** A certificate and its private key (PKCS #8), both PEM. */
export type KeyPair = { certificate: string; key: string };

/** What a certificate is for. */
export type Purpose =
  | { type: 'authority'; commonName: string }
  | { type: 'server'; commonName: string; hosts: readonly string[] }
  | { type: 'client'; commonName: string; organizations: readonly string[] };

const dayMs = 86_400_000;

/** How a pair is made: valid for `days`, signed by `authority` (an authority signs itself). */
export type IssueOptions = { days: number; clock: Clock; authority?: KeyPair };

/** Makes a key pair. The X.509 library is heavy and only loaded when something must really be made. */
export async function makeKeyPair(purpose: Purpose, options: IssueOptions): Promise<KeyPair> {
  const { issue } = await import('./issue.ts');
  return issue(purpose, options);
}

/** The parts of an X.509 subject that name a user: CN is the name, each O a group. */
export type Subject = { commonName: string; organizations: readonly string[] };

/** How a requested certificate is made: for `usages` of certificates.k8s.io, good for `seconds` or until the authority ends. */
export type SignOptions = {
  authority: KeyPair;
  clock: Clock;
  usages: readonly Usage[];
  seconds: number;
};

/** The usages of certificates.k8s.io that a client certificate may have. */
export const clientUsages = ['client auth', 'digital signature', 'key encipherment'] as const;

/** One of them. */
export type ClientUsage = (typeof clientUsages)[number];

/** What certificates that are signed here may be used for. */
export type Usage = ClientUsage | 'server auth';

/** A name beside the subject's (RFC 5280, 4.2.1.6); types other than these two are told by the library's words. */
export type AlternativeName = { type: 'dns' | 'url' | (string & {}); value: string };

/** What a request asks for. */
export type RequestedNames = Subject & {
  names: readonly AlternativeName[];
  /** SubjectPublicKeyInfo in PEM. */
  publicKey: string;
};

/** Reads a request (PKCS #10, RFC 2986, in PEM) and checks that it is signed with the key it is for. Throws an Error that says what is wrong with it. */
export async function readRequest(pem: string): Promise<RequestedNames> {
  const request = await import('./request.ts');
  return request.namesOf(await request.readSigned(pem));
}

/** Loads what the reading and signing of requests needs, which takes long enough to be done before somebody waits for it. */
export async function expectRequests(): Promise<void> {
  await import('./request.ts');
}

/** Makes a key (PKCS #8) and the request for a certificate of it, both PEM. */
export async function makeRequest(asked: {
  commonName: string;
  names: readonly { type: 'dns' | 'url'; value: string }[];
}): Promise<{ request: string; key: string }> {
  const request = await import('./request.ts');
  return request.make(asked);
}

/** Signs what a request asks for: its subject, key and alternative names, nothing else of it. Resolves to PEM. */
export async function signRequest(pem: string, options: SignOptions): Promise<string> {
  const request = await import('./request.ts');
  return request.sign(await request.readSigned(pem), options);
}

/** The subject of a certificate (PEM), read as that of a TLS connection is. */
export function subjectOf(certificate: string): Subject {
  return subjectFrom(new X509Certificate(certificate).toLegacyObject().subject);
}

/** The names in a subject as Node shows it: CN is the user's, each O a group. */
export function subjectFrom(subject: object): Subject {
  const { CN, O } = subject as { CN?: string | string[]; O?: string | string[] };
  const list = (value: string | string[] | undefined) => (value === undefined ? [] : [value].flat());
  return { commonName: list(CN)[0] ?? '', organizations: list(O) };
}

/** True for an IP address, which certificates and checks treat otherwise than names. */
export function isAddress(host: string): boolean {
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
