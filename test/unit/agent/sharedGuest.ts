/** One machine with its disk in a shared pool, and what the pool holds of it: for stories in which another host has the machine meanwhile. */
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { createCrasher } from './crasher.ts';
import { createLab, type Lab } from './lab.ts';

export const WEB = { kind: 'VirtualMachine', name: 'web' } as const;
const POOL = '/state/pools/nas/pool.json';
export const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
export const lockOf = (lab: Lab) => lab.record(webId(lab))?.lock as { changing?: true } | undefined;
export const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';

/** What the shared pool holds of the disk: how much of it is written is what tells its data apart. */
export const poolOf = (lab: Lab) =>
  JSON.parse(lab.disk.get(POOL) ?? '{}') as {
    volumes: { usedBytes: number }[];
    prepared?: object;
    snapshots?: Record<string, object>;
  };
export const written = (lab: Lab) => poolOf(lab).volumes.map(({ usedBytes }) => usedBytes);

/** Whoever has the guest now writes to its disk. */
export function write(lab: Lab, usedBytes: number) {
  const pool = poolOf(lab);
  const volumes = pool.volumes.map((volume) => ({ ...volume, usedBytes }));
  lab.disk.set(POOL, JSON.stringify({ ...pool, volumes }));
}

export async function labWithWeb(
  spec: object = {},
  options: Parameters<typeof createLab>[0] = {},
  crasher = createCrasher(),
) {
  const lab = createLab(options);
  lab.createPool('nas', { shared: true });
  lab.createMachine('web', { disks: [{ name: 'data', pool: 'nas', size: '1Gi', format: 'qcow2' }], ...spec });
  const agent = await lab.start(crasher);
  await lab.until('web is made', () => lab.machine('web')?.status?.phase !== undefined);
  return { lab, agent, crasher };
}

export const place = (lab: Lab, host: string, epoch: number) =>
  lab.patchStatus(VirtualMachine, 'web', lab.placed(epoch, host));
