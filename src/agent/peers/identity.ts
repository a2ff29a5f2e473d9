/**
 * Who this host is to other hosts, and who they are to it: a certificate of a day, asked for again after two thirds of it. What is on disk is
 * used until it ends, so that hosts go on talking while the API server is away.
 */
import { X509Certificate } from 'node:crypto';
import type { ConnectionOptions, TlsOptions } from 'node:tls';
import { Host } from '../../api/kinds/host.ts';
import { backoffDelay } from '../../base/backoff.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { isPair } from '../../base/pki/certificates.ts';
import type { World } from '../../base/world.ts';
import type { Client } from '../../client/contract.ts';
import { type PeerName, readPeerName } from './names.ts';
import { type PeerFiles, pkiDirectory, readPki, writePki } from './pki.ts';
import { requestCertificate } from './request.ts';

export type PeerIdentity = {
  /** The certificate in QEMU's layout: `ca-cert.pem`, `server-*.pem`, `client-*.pem`. Its contents change, its path does not. */
  readonly directory: string;
  /** Resolves when there is a good certificate; rejects with the signal's reason. */
  ready(signal?: AbortSignal): Promise<void>;
  /** To serve others: both sides show their certificates. Throws ReasonedError NoCertificate before `ready`. */
  server(): TlsOptions;
  /** To reach the host of this name. Throws ReasonedError NoCertificate before `ready`. */
  client(peer: string): ConnectionOptions;
  /** A peer counts only while its Host of that uid exists: a consistent read. */
  isPeer(name: string, uid: string): Promise<boolean>;
  /** Keeps the certificate good until the signal; never rejects. */
  run(signal: AbortSignal): Promise<void>;
};

export type PeerIdentityOptions = {
  client: Client;
  world: Pick<World, 'clock' | 'random' | 'log' | 'files'>;
  host: string;
  stateDirectory: string;
};

const RETRY = { baseMs: 1_000, maxMs: 60_000 };
/** An agent that runs by somebody else's credentials is refused each time. */
const REFUSED_MS = 10 * 60_000;
/** Timers of Node do not go further; it is looked at again anyway. */
const LONGEST_WAIT_MS = 6 * 60 * 60_000;

type Held = PeerFiles & { peer: PeerName; renewAt: number; endsAt: number };

export function createPeerIdentity(options: PeerIdentityOptions): PeerIdentity {
  const { client, host, stateDirectory } = options;
  const { clock, random, log, files } = options.world;
  let held: Held | undefined;
  const waiters = new Set<() => void>();

  const isGood = (): boolean => held !== undefined && held.endsAt > clock.now();

  const take = (next: Held | undefined): void => {
    held = next;
    if (isGood()) for (const wake of [...waiters]) wake();
  };

  const current = (): Held => {
    if (held === undefined || held.endsAt <= clock.now())
      throw new ReasonedError('NoCertificate', `${host} has no certificate that other hosts accept yet`);
    return held;
  };

  const ask = async (signal: AbortSignal): Promise<void> => {
    const found = await client.find(Host, { name: host }, { signal });
    if (found === undefined) throw new ReasonedError('NoHost', `Host ${host} does not exist`);
    const { uid } = found.metadata;
    if (held?.peer.uid === uid && held.renewAt > clock.now()) return;
    const made = await requestCertificate({ client, clock, random }, { name: host, uid }, signal);
    await writePki({ files, random }, stateDirectory, made);
    take(inspect(made, host));
    log.info('this host has a certificate for other hosts', {
      until: new Date(held?.endsAt ?? 0).toISOString(),
    });
  };

  const keep = async (signal: AbortSignal): Promise<void> => {
    take(inspect(await readPki(files, stateDirectory), host));
    for (let attempt = 0; !signal.aborted; ) {
      try {
        await ask(signal);
        attempt = 0;
        const leftMs = Math.max(1_000, (held?.renewAt ?? 0) - clock.now());
        await clock.sleep(Math.min(leftMs, LONGEST_WAIT_MS), signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn('no certificate for other hosts', { message: String(error) });
        const isRefused = error instanceof ReasonedError && error.reason === 'CertificateDenied';
        await clock.sleep(isRefused ? REFUSED_MS : backoffDelay(attempt, RETRY, random), signal);
        attempt += 1;
      }
    }
  };

  const both = () => {
    const { authority, certificate, key } = current();
    return { ca: authority, cert: certificate, key, minVersion: 'TLSv1.2' } as const;
  };

  return {
    directory: pkiDirectory(stateDirectory),
    ready: (signal) =>
      new Promise((resolve, reject) => {
        if (isGood()) return resolve();
        const settle = (act: () => void) => {
          waiters.delete(wake);
          signal?.removeEventListener('abort', stop);
          act();
        };
        const wake = () => settle(resolve);
        const stop = () => settle(() => reject(signal?.reason));
        if (signal?.aborted === true) return reject(signal.reason);
        waiters.add(wake);
        signal?.addEventListener('abort', stop, { once: true });
      }),
    server: () => ({ ...both(), requestCert: true, rejectUnauthorized: true }),
    client: (peer) => ({ ...both(), rejectUnauthorized: true, servername: peer }),
    isPeer: async (name, uid) => (await client.find(Host, { name }))?.metadata.uid === uid,
    run: (signal) => keep(signal).catch(() => undefined),
  };
}

/** What the files are good for; undefined for those of another host, or that do not belong together. */
function inspect(files: PeerFiles | undefined, host: string): Held | undefined {
  if (files === undefined || !isPair(files)) return undefined;
  const certificate = new X509Certificate(files.certificate);
  const peer = readPeerName(certificate.subjectAltName);
  if (peer?.name !== host || !certificate.verify(new X509Certificate(files.authority).publicKey))
    return undefined;
  const [from, endsAt] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  return { ...files, peer, endsAt, renewAt: from + ((endsAt - from) * 2) / 3 };
}
