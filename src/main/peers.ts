/** The connections between agents: mutual TLS between real hosts, a pair of streams between hosts that exist only on paper. */
import { once } from 'node:events';
import { type AddressInfo, isIPv6 } from 'node:net';
import { duplexPair } from 'node:stream';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import type { PeerIdentity } from '../agent/peers/identity.ts';
import { peerOf } from '../agent/peers/names.ts';
import type { Peers, Place } from '../agent/peers/peers.ts';
import { ReasonedError } from '../base/outcome.ts';

/** A certificate is there moments after the first start; a move does not wait longer for one. */
const CERTIFICATE_MS = 10_000;
/** A stream on which nothing moves for so long has lost its other end. */
const SILENCE_MS = 300_000;
const KEEP_ALIVE_MS = 10_000;

/**
 * `addressOf` says where other hosts reach this one; it is asked each time, because an agent may start before its network does. `port` 0: any
 * that is free.
 */
export function tlsPeers(identity: PeerIdentity, addressOf: () => string | undefined, port = 0): Peers {
  let server: Promise<Server> | undefined;
  let handler: Parameters<Peers['serve']>[0] = (_peer, stream) => stream.destroy();

  const accept = async (socket: TLSSocket): Promise<void> => {
    socket.on('error', () => socket.destroy());
    const peer = peerOf(socket);
    if (peer === undefined || !(await identity.isPeer(peer.name, peer.uid).catch(() => false))) {
      socket.destroy();
      return;
    }
    guard(socket);
    handler(peer.name, socket);
  };
  const listen = async (address: string): Promise<Server> => {
    const listening = createServer({ ...identity.server() }, (socket) => void accept(socket));
    listening.on('tlsClientError', (_error, socket) => socket.destroy());
    listening.listen({ port, host: address });
    try {
      await once(listening, 'listening');
    } catch (cause) {
      const message = `this host cannot listen for others at ${shown({ address, port })}: choose another peerPort in agent.yaml (${cause instanceof Error ? cause.message : ''})`;
      throw new ReasonedError('PeerPortTaken', message, { cause });
    }
    return listening;
  };

  return {
    certificates: identity.directory,
    serve: (given) => {
      handler = given;
    },
    place: async (): Promise<Place> => {
      const address = addressOf();
      if (address === undefined) {
        throw new ReasonedError('NoAddress', 'this host has no address that other hosts could reach');
      }
      await haveCertificate(identity);
      server ??= listen(address).catch((error: unknown) => {
        server = undefined;
        throw error;
      });
      const listening = await server;
      // The certificate may be another one than when it began to listen.
      listening.setSecureContext(identity.server());
      return { address, port: (listening.address() as AddressInfo).port };
    },
    connect: async (host, place, signal) => {
      await haveCertificate(identity);
      const socket = connect({ ...identity.client(host), host: place.address, port: place.port });
      // It may break at any moment, also while the API is asked who that is: nobody who listens would end this process.
      socket.on('error', () => undefined);
      const hangUp = () => void socket.destroy(new Error('given up'));
      signal.addEventListener('abort', hangUp, { once: true });
      try {
        await once(socket, 'secureConnect');
        const peer = peerOf(socket);
        if (peer?.name !== host || !(await identity.isPeer(peer.name, peer.uid))) {
          throw new ReasonedError(
            'PeerNotTrusted',
            `what answers at ${shown(place)} is not the host ${host}`,
          );
        }
        if (socket.destroyed) throw socket.errored ?? new Error('it has hung up');
        guard(socket);
        return socket;
      } catch (error) {
        socket.destroy();
        if (error instanceof ReasonedError) throw error;
        const message = `the host ${host} cannot be reached at ${shown(place)}: ${error instanceof Error ? error.message : ''}`;
        throw new ReasonedError('PeerUnreachable', message, { cause: error });
      } finally {
        signal.removeEventListener('abort', hangUp);
      }
    },
    close: async () => {
      const listening = await server?.catch(() => undefined);
      listening?.close();
    },
  };
}

function shown({ address, port }: Place): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

function guard(socket: TLSSocket): void {
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error('the other host has fallen silent')));
}

async function haveCertificate(identity: PeerIdentity): Promise<void> {
  try {
    await identity.ready(AbortSignal.timeout(CERTIFICATE_MS));
  } catch (cause) {
    const message =
      'this host has no certificate yet to prove itself to other hosts: see that the manager runs';
    throw new ReasonedError('PeersNotReady', message, { cause });
  }
}

/** All hosts of one process that exist only on paper, by name. */
export type PaperNetwork = Map<string, Parameters<Peers['serve']>[0]>;

/** Connections within one process. */
export function paperPeers(network: PaperNetwork, host: string): Peers {
  return {
    place: async () => ({ address: host, port: 1 }),
    serve: (handler) => void network.set(host, handler),
    connect: async (peer) => {
      const handler = network.get(peer);
      if (handler === undefined) throw new ReasonedError('PeerUnreachable', `there is no host ${peer}`);
      const [own, other] = duplexPair();
      handler(host, other);
      return own;
    },
    close: async () => void network.delete(host),
  };
}
