/** Backups in each mode of a container on a Btrfs pool that writes a log with sums all the time, had back by hand and in place. */

import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, until } from './harness/commands.ts';
import { type HostState, hostState } from './harness/host.ts';
import { type Lab, startLab } from './harness/lab.ts';
import { follow } from './harness/recipe.ts';

/** Its first process: each line is a number that goes on after a start, who wrote it, and the sum of both. */
const INIT = `#!/bin/sh
trap 'stop=1' PWR TERM INT
boot=$(cat /proc/sys/kernel/random/uuid)
n=$(tail -n 1 /log 2>/dev/null | cut -d' ' -f1); n=\${n:-0}
while [ -z "$stop" ]; do
  n=$((n+1))
  echo "$n $boot $(echo "$n $boot" | sha256sum | cut -c1-64)" >>/log
  usleep 20000
done
`;

type Written = { number: number; boot: string };
type Job = {
  status?: {
    phase?: string;
    mode?: string;
    consistency?: string;
    stillMilliseconds?: number;
    archive?: string;
    message?: string;
    conditions?: { type: string; reason: string }[];
  };
};

let place: string;
let lab: Lab;
let before: HostState;
let root: string;

/** The lines of a log, of which none is missing, torn or of another. */
async function linesOf(file: string): Promise<Written[]> {
  const text = await readFile(file, 'utf8');
  if (!text.endsWith('\n')) throw new Error(`the last line of ${file} is torn`);
  return text
    .trimEnd()
    .split('\n')
    .map((line, index) => {
      const [number, boot = '', sum] = line.split(' ');
      const right = createHash('sha256').update(`${number} ${boot}\n`).digest('hex');
      if (Number(number) !== index + 1 || sum !== right)
        throw new Error(`line ${index + 1} of ${file} is ${line}`);
      return { number: index + 1, boot };
    });
}
const lastOf = async (file: string) => (await linesOf(file)).at(-1) ?? { number: 0, boot: '' };
/** What it has written by now; a line may be half-written just then. */
const now = () => until('its log can be read', () => lastOf(join(root, 'log')));

async function over(kind: string, name: string): Promise<NonNullable<Job['status']>> {
  return until(
    `${name} is over`,
    async () => {
      const { status } = await lab.get<Job>(`${kind}.vireo.dev/${name}`);
      if (status?.phase === 'Failed') throw new Error(status.message);
      return status?.phase === 'Succeeded' && status;
    },
    180_000,
  );
}

/** A file system of 64 MiB in a file of the other, which keeps what it holds while it is not mounted. */
const small = () => join(place, 'mnt', 'small');
async function mountSmall(): Promise<void> {
  const file = join(place, 'small.img');
  if ((await stat(file).catch(() => undefined)) === undefined) {
    await must(['truncate', '-s', '64M', file]);
    await must(['mkfs.ext4', '-q', '-m', '0', file]);
  }
  await must(['mount', '-o', 'loop', file, small()]);
}

/** The root that an archive holds, had back by the recipe of the page. */
async function hadBack(name: string, { archive = '' }: NonNullable<Job['status']>): Promise<string> {
  const found = (await must(['find', lab.dataDirectory, '-type', 'd', '-name', archive])).trim();
  const target = join(place, name);
  await mkdir(target);
  await follow('check root', { ARCHIVE: found, TARGET: target });
  return target;
}

async function packRoot(file: string): Promise<void> {
  const from = join(place, 'writer');
  for (const directory of ['bin', 'sbin', 'dev', 'proc', 'sys', 'etc', 'tmp', 'run'])
    await mkdir(join(from, directory), { recursive: true });
  await copyFile((await must(['which', 'busybox'])).trim(), join(from, 'bin', 'busybox'));
  await chmod(join(from, 'bin', 'busybox'), 0o755);
  await link(join(from, 'bin', 'busybox'), join(from, 'bin', 'sh'));
  await writeFile(join(from, 'sbin', 'init'), INIT, { mode: 0o755 });
  await must(['tar', '-C', from, '-cf', file, '.']);
}

const objects = () => `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: fast}
spec: {type: Btrfs, btrfs: {path: ${place}/mnt/pool}}
---
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: small}
spec: {type: Directory, directory: {path: ${place}/mnt/small/pool}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: writer}
spec: {kind: ContainerRootfs, pool: fast, source: {path: {path: ${place}/writer.tar}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: writer, namespace: default}
spec: {image: writer, rootfs: {pool: fast}, memory: 64Mi, shutdown: {timeoutSeconds: 20}}
`;

beforeAll(async () => {
  before = await hostState();
  place = await mkdtemp(join(tmpdir(), 'vireo-ctbackup-'));
  // Containers' users pass it.
  await chmod(place, 0o711);
  await mkdir(join(place, 'mnt'));
  await writeFile(join(place, 'disk'), '');
  await truncate(join(place, 'disk'), 2 ** 30);
  await must(['mkfs.btrfs', '-q', join(place, 'disk')]);
  await must(['mount', '-o', 'loop', join(place, 'disk'), join(place, 'mnt')]);
  await mkdir(small());
  await mountSmall();
  await packRoot(join(place, 'writer.tar'));
  await writeFile(join(place, 'agent.yaml'), `imagePaths: [${place}]\npoolPaths: [${place}/mnt]\n`);
  lab = await startLab({ name: 'ctbackup', args: ['--config', join(place, 'agent.yaml')] });
  await lab.apply(objects());
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=150s', 'ct/writer');
  type Guest = { status?: { volumes?: { id: string }[] } };
  const { status } = await lab.get<Guest>('ct/writer');
  root = join(place, 'mnt', 'pool', 'volumes', status?.volumes?.[0]?.id ?? '', 'rootfs');
});
afterAll(async () => {
  await lab?.dispose();
  await must(['umount', small(), '--quiet']).catch(() => undefined);
  await must(['umount', join(place, 'mnt')]);
  await rm(place, { recursive: true });
  expect(await hostState()).toEqual(before);
});

describe('a container that writes all the time', () => {
  it.each(['Snapshot', 'Suspend', 'Stop'])(
    'is had back from a backup by %s without a lost line',
    async (mode) => {
      const from = await now();
      const name = `by-${mode.toLowerCase()}`;
      await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Backup
metadata: {name: ${name}, namespace: default}
spec: {guest: {kind: Container, name: writer}, pool: local, mode: ${mode}}
`);
      const made = await over('backups', name);
      expect(made).toMatchObject({ mode, consistency: 'Filesystem' });
      const saved = await linesOf(join(await hadBack(name, made), 'log'));
      const last = saved.at(-1);
      expect(last?.boot).toBe(from.boot);
      expect(last?.number).toBeGreaterThanOrEqual(from.number);
      const later = await until('it writes on', async () => {
        const seen = await now();
        return seen.number > (last?.number ?? 0) && seen;
      });
      // Only by Stop it was started anew, and then it went on where its backup ends.
      if (mode !== 'Stop') expect(later.boot).toBe(from.boot);
      else {
        const first = (await linesOf(join(root, 'log'))).find(({ boot }) => boot === later.boot);
        expect(first?.number).toBe((last?.number ?? 0) + 1);
      }
      expect(await must(['find', join(place, 'mnt', 'pool', 'snapshots'), '-mindepth', '2'])).toBe('');
    },
  );

  it('goes on from the backup when that is restored in place', async () => {
    const saved = await linesOf(join(place, 'by-snapshot', 'log'));
    const from = await now();
    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Restore
metadata: {name: back, namespace: default}
spec: {guest: {kind: Container, name: writer}, backup: by-snapshot, ifRunning: Stop}
`);
    await over('restores', 'back');
    const later = await until('it writes on', async () => {
      const seen = await now();
      return seen.boot !== from.boot && seen;
    });
    const lines = await linesOf(join(root, 'log'));
    expect(lines.slice(0, saved.length)).toEqual(saved);
    expect(lines.slice(saved.length).every(({ boot }) => boot === later.boot)).toBe(true);
  });
});

describe('a pool for archives that fails', () => {
  type Guest = { status?: { lock?: object; phase?: string } };
  const backUp = (name: string) =>
    lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Backup
metadata: {name: ${name}, namespace: default}
spec: {guest: {kind: Container, name: writer}, pool: small, compression: None, startDeadlineSeconds: 300}
`);
  const failed = (name: string) =>
    until(
      `${name} has failed`,
      async () => {
        const { status } = await lab.get<Job>(`backups.vireo.dev/${name}`);
        if (status?.phase === 'Succeeded') throw new Error('it was made');
        return status?.phase === 'Failed' && status.conditions?.find(({ type }) => type === 'Ready')?.reason;
      },
      60_000,
    );
  /** It wrote on all the time, the same boot, and nobody holds it. */
  const expectUntouched = async (from: Written) => {
    const later = await until('it writes on', async () => {
      const seen = await now();
      return seen.number > from.number && seen;
    });
    expect(later.boot).toBe(from.boot);
    const { status } = await until('it is let go', async () => {
      const guest = await lab.get<Guest>('ct/writer');
      return guest.status?.lock === undefined && guest;
    });
    expect(status?.phase).toBe('Running');
    expect(await must(['find', join(place, 'mnt', 'pool', 'snapshots'), '-mindepth', '2'])).toBe('');
  };
  const left = async () => {
    const [archives, partial] = await Promise.all(
      ['archives', '.partial'].map((directory) => readdir(join(small(), 'pool', directory)).catch(() => [])),
    );
    return { archives, partial };
  };

  it('for it is full says so, leaves nothing there, and takes the next one when there is room', async () => {
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pool/small');
    await must(['dd', 'if=/dev/urandom', `of=${root}/large`, 'bs=1M', 'count=32', 'status=none']);
    await must(['dd', 'if=/dev/zero', `of=${small()}/filler`, 'bs=1M', 'count=30', 'status=none']);
    const from = await now();
    await backUp('too-large');
    expect(await failed('too-large')).toBe('PoolFull');
    await expectUntouched(from);
    expect(await left()).toEqual({ archives: [], partial: [] });
    await rm(join(small(), 'filler'));
    await backUp('fits');
    const made = await over('backups', 'fits');
    expect((await left()).archives).toEqual([made.archive]);
    await lab.kubectl('delete', 'backups.vireo.dev', 'fits', 'too-large', '--wait');
  });

  it('for its file system is not mounted says so, writes nothing below the place, and goes on when it is there again', async () => {
    await must(['umount', small()]);
    const from = await now();
    await backUp('nowhere');
    expect(await failed('nowhere')).toMatch(/^(PoolMissing|StoragePoolNotReady)$/);
    await expectUntouched(from);
    expect(await readdir(small())).toEqual([]);
    await mountSmall();
    await backUp('again');
    const made = await over('backups', 'again');
    expect((await left()).archives).toEqual([made.archive]);
    await must(['rm', `${root}/large`]);
  });
});
