/** Stream sockets as a port. */
import type { Duplex } from 'node:stream';

export type Sockets = {
  /**
   * Connects to a unix socket. Rejects with `code` ENOENT (no such socket) or ECONNREFUSED (nobody listens any more).
   * Paths above 100 bytes are refused: Node.js cuts at 108 without an error (unix(7)).
   */
  connectUnix(path: string, options?: { timeoutMs?: number }): Promise<Duplex>;
};
