/**
 * The conversations with all guests of this host: one connection for each living guest, made when it is first needed, made again when it
 * broke. Events and ends become one call: look at this guest.
 */
import type { World } from '../../../base/world.ts';
import { connectQmp, type QmpConnection } from './qmp.ts';
import { machineSockets } from './sockets.ts';

export type Monitors = {
  /** The connection to this guest's QEMU; made within `timeoutMs`, which covers both sockets. Rejects with the socket's error. */
  connect(id: string, timeoutMs: number): Promise<QmpConnection>;
  /** Lets go of one guest's connection, without a call to the listeners. */
  forget(id: string): void;
  listen(listener: (id: string) => void): () => void;
  close(): void;
};

/** Events that change what can be observed. Others (RTC_CHANGE, NIC_RX_FILTER_CHANGED) come by the thousand. */
const telling = new Set([
  'SHUTDOWN',
  'POWERDOWN',
  'STOP',
  'RESUME',
  'RESET',
  'SUSPEND',
  'SUSPEND_DISK',
  'WAKEUP',
  'GUEST_PANICKED',
  'GUEST_CRASHLOADED',
  'WATCHDOG',
  'BLOCK_IO_ERROR',
  'BLOCK_JOB_READY',
  'MIGRATION',
  'VSERPORT_CHANGE',
]);

export function createMonitors(world: Pick<World, 'sockets' | 'clock'>, runDirectory: string): Monitors {
  const connections = new Map<string, Promise<QmpConnection>>();
  const listeners = new Set<(id: string) => void>();
  const notify = (id: string) => {
    for (const listener of listeners) listener(id);
  };

  const open = async (id: string, timeoutMs: number) => {
    const { qmp, qmp2 } = machineSockets(runDirectory, id);
    // The first monitor may be held by somebody who never lets go; there is a second one.
    const connection = await connectQmp(world, qmp, timeoutMs / 2).catch((error: unknown) => {
      if (isAbsent(error)) throw error;
      return connectQmp(world, qmp2, timeoutMs / 2);
    });
    connection.onEvent(({ event }) => {
      if (telling.has(event)) notify(id);
    });
    return connection;
  };

  const connect = (id: string, timeoutMs: number) => {
    const known = connections.get(id);
    if (known !== undefined) return known;
    const opening = open(id, timeoutMs);
    connections.set(id, opening);
    const drop = () => {
      if (connections.get(id) !== opening) return false;
      return connections.delete(id);
    };
    void opening.then(
      (connection) =>
        connection.closed.then(() => {
          if (drop()) notify(id);
        }),
      drop,
    );
    return opening;
  };

  const forget = (id: string) => {
    const known = connections.get(id);
    connections.delete(id);
    void known?.then(
      (connection) => connection.close(),
      () => undefined,
    );
  };

  return {
    connect,
    forget,
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      for (const id of [...connections.keys()]) forget(id);
    },
  };
}

/** Nobody listens there: no process, one that has not come so far, or one that is ending. */
export function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}
