/** Two hosts' pools and a stream between them, for the stories of volumes that are copied. */
import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import type { StoragePool, VolumeRequest } from '../../../src/drivers/storage/contract.ts';

type Pass = 'First' | 'Final';

/** Both ends of one connection, as two hosts have them. */
export async function connectHosts(): Promise<{ source: Socket; target: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const source = dial(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  const [target] = (await once(server, 'connection')) as [Socket];
  server.close();
  for (const socket of [source, target]) socket.on('error', () => {});
  return { source, target };
}

/** How both sides of one pass ended. */
export type Copy = { sent: PromiseSettledResult<void>; received: PromiseSettledResult<void> };

/** One pass from pool to pool; `during` may disturb it. */
export async function copyVolume(
  pools: { from: StoragePool; to: StoragePool },
  request: VolumeRequest,
  pass: Pass,
  options: {
    signal?: AbortSignal;
    bytesPerSecond?: number;
    during?: (ends: { source: Socket; target: Socket }) => void;
  } = {},
): Promise<Copy> {
  const { signal = new AbortController().signal, during, bytesPerSecond } = options;
  const { source, target } = await connectHosts();
  during?.({ source, target });
  const { from, to } = pools;
  if (from.exportVolume === undefined || to.importVolume === undefined)
    throw new Error('these pools cannot copy volumes');
  const limit = bytesPerSecond === undefined ? {} : { bytesPerSecond };
  const [sent, received] = await Promise.allSettled([
    from.exportVolume(request.id, source, { pass, signal, ...limit }).finally(() => source.end()),
    to.importVolume(request, target, { pass, signal, ...limit }).finally(() => target.destroy()),
  ]);
  return { sent, received };
}

/** The same, which must work. */
export async function copyWhole(...input: Parameters<typeof copyVolume>): Promise<void> {
  const { sent, received } = await copyVolume(...input);
  for (const side of [received, sent]) if (side.status === 'rejected') throw side.reason;
}
