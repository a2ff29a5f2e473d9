/** Where a guest's unix sockets lie: short names in the host's run directory, because the kernel takes 108 bytes (unix(7)). */
import { ReasonedError } from '../../../base/outcome.ts';
import type { MachineSockets } from '../contract.ts';

/** Node.js 20 cuts longer paths without an error and connects to whatever has the cut name. */
const longestPathBytes = 100;

const names = { qmp: 'q', qmp2: 'q2', serial: 's', vnc: 'v', guestAgent: 'g' } as const;

/** The guest's own directory below the run directory. */
export function socketDirectory(runDirectory: string, id: string): string {
  return `${runDirectory}/${id}`;
}

/** The path of one socket. Throws ReasonedError SocketPathTooLong above 100 bytes. */
export function socketPath(runDirectory: string, id: string, name: string): string {
  const path = `${socketDirectory(runDirectory, id)}/${name}`;
  const bytes = Buffer.byteLength(path);
  if (bytes <= longestPathBytes) return path;
  const message = `socket path of ${bytes} bytes, ${longestPathBytes} are the limit: choose a shorter run directory than ${runDirectory}`;
  throw new ReasonedError('SocketPathTooLong', message, { stalled: true });
}

/** All sockets of a guest. */
export function machineSockets(runDirectory: string, id: string): MachineSockets {
  const path = (name: string) => socketPath(runDirectory, id, name);
  return {
    qmp: path(names.qmp),
    qmp2: path(names.qmp2),
    serial: path(names.serial),
    vnc: path(names.vnc),
    guestAgent: path(names.guestAgent),
  };
}
