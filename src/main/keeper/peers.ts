/**
 * Keepers ask each other how old their renewals are: one line each way over mutual TLS, by the certificates of their hosts. Nothing here asks the
 * API: it may be what is away.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { peerOf } from '../../agent/peers/names.ts';
import { type PeerFiles, readPki } from '../../agent/peers/pki.ts';
import type { Files } from '../../base/files.ts';

export type Place = { address: string; port: number };

export type KeeperPeers = {
  /** Where others ask; undefined while this host has no certificate or no address. */
  place(): Place | undefined;
  ask(host: string, place: Place, timeoutMs: number): Promise<{ ageMs: number | undefined }>;
  /** Takes the present certificate, and begins to listen when it can. */
  refresh(): Promise<void>;
  close(): void;
};

const LONGEST_LINE = 256;
const IDLE_MS = 5_000;

/** `answer` is told who asks, and gives the age of this host's last acknowledged renewal. */
export function keeperPeers(
  files: Files,
  stateDirectory: string,
  addressOf: () => string | undefined,
  answer: (asker: string) => number | undefined,
): KeeperPeers {
  let pki: PeerFiles | undefined;
  let server: Server | undefined;
  let place: Place | undefined;
  const both = ({ authority, certificate, key }: PeerFiles) =>
    ({ ca: authority, cert: certificate, key, minVersion: 'TLSv1.2', rejectUnauthorized: true }) as const;

  const serve = (socket: TLSSocket): void => {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    const asker = peerOf(socket);
    if (asker === undefined) return void socket.destroy();
    socket.once('data', () => {
      const ageMs = answer(asker.name);
      socket.end(`${JSON.stringify(ageMs === undefined ? {} : { ageMs })}\n`);
    });
  };

  return {
    place: () => place,
    refresh: async () => {
      pki = (await readPki(files, stateDirectory)) ?? pki;
      const address = addressOf();
      if (pki === undefined || address === undefined) return;
      if (server !== undefined) return server.setSecureContext(both(pki));
      const listening = createServer({ ...both(pki), requestCert: true }, serve);
      listening.on('tlsClientError', (_error, socket) => socket.destroy());
      listening.listen({ host: address, port: 0 });
      await once(listening, 'listening');
      server = listening;
      place = { address, port: (listening.address() as AddressInfo).port };
    },
    ask: async (host, { address, port }, timeoutMs) => {
      if (pki === undefined) throw new Error('this host has no certificate yet');
      const socket = connect({ ...both(pki), host: address, port, servername: host });
      // Whatever breaks is told by what is awaited; nothing that comes after it may end the keeper.
      socket.on('error', () => undefined);
      const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), timeoutMs);
      try {
        await once(socket, 'secureConnect');
        if (peerOf(socket)?.name !== host) throw new Error(`what answers is not ${host}`);
        socket.write('age\n');
        let text = '';
        for await (const chunk of socket) {
          text += String(chunk);
          if (text.length > LONGEST_LINE) throw new Error('too long an answer');
        }
        const { ageMs } = JSON.parse(text) as { ageMs?: unknown };
        return { ageMs: typeof ageMs === 'number' && Number.isFinite(ageMs) ? ageMs : undefined };
      } finally {
        clearTimeout(timer);
        socket.destroy();
      }
    },
    close: () => void server?.close(),
  };
}
