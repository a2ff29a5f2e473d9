/** Stream sockets as a port. */
import type { Duplex } from 'node:stream';

/** A port of 127.0.0.1 for one connection. */
export type OneCallListener = {
  port: number;
  /** The first to call; later ones are turned away. Rejects when it is closed before. */
  call: Promise<Duplex>;
  /** Listens no more; a connection that is there stays. */
  close(): void;
};

export type Sockets = {
  /** Listens on a free port of 127.0.0.1, for a program that can only connect to one. Any user of the host can call: let it prove itself. */
  listenForOne(): Promise<OneCallListener>;
  /**
   * Listens on a unix socket at `path` (absolute, at most 100 bytes), where nothing is yet: whoever may enter its directory can call. The
   * socket is gone once somebody has called, or it is closed.
   */
  listenForOneAt(path: string): Promise<Omit<OneCallListener, 'port'>>;
  /**
   * Connects to a unix socket. Rejects with `code` ENOENT (no such socket) or ECONNREFUSED (nobody listens any more).
   * Paths above 100 bytes are refused: Node.js cuts at 108 without an error (unix(7)).
   */
  connectUnix(path: string, options?: { timeoutMs?: number }): Promise<Duplex>;
};
