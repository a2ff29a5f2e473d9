/** Certificates and keys: what they are for, whether one is still good, and the door to the room that makes them. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';

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
