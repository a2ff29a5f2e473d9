/** How long guests stand still for their backups in mode Snapshot: a machine that is frozen by the agent in it, and a container on Btrfs. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Backup, type BackupSpec } from '../../src/api/kinds/backup.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Client } from '../../src/client/contract.ts';
import { buildDemoDisk } from '../../src/drivers/image/demo-disk.ts';
import { connect } from '../../src/main/connect.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { must, until } from '../e2e/harness/commands.ts';
import type { Lab } from '../e2e/harness/lab.ts';
import { agentService } from '../lab/agent.ts';
import { type Figure, median } from './measure.ts';

const ROUNDS = 10;
const AIM_MS = 300;

/** A file system of its own for the container, at `place`/btrfs. */
export async function mountBtrfs(place: string): Promise<() => Promise<void>> {
  const [disk, at] = [join(place, 'btrfs.img'), join(place, 'btrfs')];
  await mkdir(at);
  await must(['truncate', '-s', '2G', disk]);
  await must(['mkfs.btrfs', '-q', disk]);
  await must(['mount', '-o', 'loop', disk, at]);
  return async () => void (await must(['umount', at]));
}

/** `place`: what the agent may read images from and have pools in. */
export async function benchStill(lab: Lab, place: string): Promise<Figure[]> {
  const world = realWorld({ logLevel: 'error' });
  const client = await connect(lab.kubeconfig, 'bench', world);
  try {
    const workDirectory = await mkdtemp(join(tmpdir(), 'vireo-bench-still-'));
    await buildDemoDisk(
      { ...world, log: silentLog },
      {
        ...{
          workDirectory,
          output: join(place, 'agent.qcow2'),
          cacheDirectory: join(workDirectory, 'cache'),
        },
        ...{ service: agentService(), signal: AbortSignal.timeout(240_000), progress: () => {} },
      },
    );
    await rm(workDirectory, { recursive: true });
    await lab.apply(guests(place));
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=150s', 'vm/frozen', 'ct/still');
    await lab.kubectl('wait', '--for=condition=AgentConnected', '--timeout=150s', 'vm/frozen');
    return [
      await figureOf(client, 'machine that its agent freezes', { kind: 'VirtualMachine', name: 'frozen' }),
      await figureOf(client, 'container on Btrfs', { kind: 'Container', name: 'still' }),
    ];
  } finally {
    await client.close();
  }
}

async function figureOf(client: Client, what: string, guest: BackupSpec['guest']): Promise<Figure> {
  const still: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `${guest.name}-${round}`;
    const ref = { namespace: 'default', name };
    const spec = { guest, pool: 'local', mode: 'Snapshot' } as const;
    await client.create(Backup, { apiVersion: 'vireo.dev/v1alpha1', kind: 'Backup', metadata: ref, spec });
    const {
      mode,
      consistency,
      stillMilliseconds = 0,
    } = await until(`${name} is made`, async () => {
      const { status } = await client.get(Backup, ref);
      if (status?.phase === 'Failed') throw new Error(status.message);
      return status?.phase === 'Succeeded' && status;
    });
    if (mode !== 'Snapshot' || consistency !== 'Filesystem')
      throw new Error(`it was made by ${mode}, and is ${consistency}`);
    still.push(stillMilliseconds);
  }
  console.log(`${what}: ${still.join(', ')} ms, median ${median(still)}`);
  const name = `${what} stands still for its backup, the longest of ${ROUNDS}`;
  return { name, ours: Math.max(...still), unit: 'ms', aim: AIM_MS };
}

function guests(place: string): string {
  return `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: fast}
spec: {type: Btrfs, btrfs: {path: ${place}/btrfs/pool}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: agent}
spec: {kind: Disk, pool: local, source: {path: {path: ${place}/agent.qcow2}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: fast, source: {build: {recipe: BusyboxRootfs}}}
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: frozen, namespace: default}
spec:
  memory: {size: 96Mi}
  display: None
  disks: [{name: root, pool: local, format: qcow2, source: {image: {name: agent}}}]
  shutdown: {timeoutSeconds: 1}
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: still, namespace: default}
spec: {image: busybox, rootfs: {pool: fast}, memory: 64Mi, shutdown: {timeoutSeconds: 5}}
`;
}
