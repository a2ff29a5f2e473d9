/** Backups of a real machine and a real container that are written to meanwhile, had back by the recipe of docs/backup.md. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { buildWriterDisk, verifyDisk, writingAt, writtenAs, writtenInOrder } from '../lab/writer.ts';
import { must, until } from './harness/commands.ts';
import { type HostState, hostState, qemuPid } from './harness/host.ts';
import { type Lab, startLab } from './harness/lab.ts';
import { follow } from './harness/recipe.ts';

type Guest = {
  status?: {
    uuid?: string;
    phase?: string;
    lock?: object;
    networks?: { addresses?: string[] }[];
    volumes?: { name: string; id: string }[];
  };
};
type Backup = {
  status?: {
    phase?: string;
    mode?: string;
    consistency?: string;
    stillMilliseconds?: number;
    archive?: string;
    message?: string;
    conditions?: { type: string; reason?: string }[];
    needs?: string[];
    parts?: { name: string; bitmap?: string }[];
  };
};

const bitmapsOf = ({ parts = [] }: NonNullable<Backup['status']>) => parts.map(({ bitmap }) => bitmap);

let place: string;
let lab: Lab;
let before: HostState;

const guests = () => `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: writer}
spec: {kind: Disk, pool: local, source: {path: {path: ${place}/images/writer.qcow2}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: writer, namespace: default}
spec:
  memory: {size: 96Mi}
  display: None
  disks:
    - {name: root, pool: local, format: qcow2, source: {image: {name: writer}}}
    - {name: data, pool: local, format: qcow2, size: 16Mi}
  networks: [{name: eth0, nat: {}}]
  shutdown: {timeoutSeconds: 10}
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: box, namespace: default}
spec: {image: busybox, rootfs: {pool: local}, memory: 64Mi, shutdown: {timeoutSeconds: 10}}
`;

const smallPool = () => `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: small}
spec: {type: Directory, directory: {path: ${place}/small/pool}}
`;

/** Those of machines are of what changed where that is known. */
const backup = (name: string, kind: string, guest: string, mode: string, compression = 'Zstd') => `
apiVersion: vireo.dev/v1alpha1
kind: Backup
metadata: {name: ${name}, namespace: default}
spec: {guest: {kind: ${kind}, name: ${guest}}, pool: local, mode: ${mode}, compression: ${compression}, fullEvery: 4}
`;

async function backUp(
  yaml: string,
  name: string,
  timeoutMs = 90_000,
): Promise<NonNullable<Backup['status']>> {
  await lab.apply(yaml);
  return until(
    `${name} is made`,
    async () => {
      const { status } = await lab.get<Backup>(`backups.vireo.dev/${name}`);
      if (status?.phase === 'Failed') throw new Error(status.message);
      return status?.phase === 'Succeeded' && status;
    },
    timeoutMs,
  );
}

async function archiveOf({ archive }: { archive?: string }): Promise<string> {
  const found = await must(['find', lab.dataDirectory, '-type', 'd', '-name', String(archive)]);
  await follow('check', { ARCHIVE: found.trim() });
  return found.trim();
}

beforeAll(async () => {
  before = await hostState();
  place = await mkdtemp(join(tmpdir(), 'vireo-backup-'));
  // Containers' users pass it.
  await must(['chmod', '711', place]);
  await mkdir(join(place, 'images'));
  for (const directory of ['kept', 'small']) await mkdir(join(place, directory));
  await buildWriterDisk({ ...realWorld(), log: silentLog }, join(place, 'images', 'writer.qcow2'));
  await must(['age-keygen', '-o', join(place, 'key')]);
  const config = `imagePaths: [${place}/images]\npoolPaths: [${place}/small]\nbackupKey: ${place}/key\n`;
  await writeFile(join(place, 'agent.yaml'), config);
  lab = await startLab({ name: 'backup', args: ['--config', join(place, 'agent.yaml')] });
  await lab.apply(guests());
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=150s', 'vm/writer', 'ct/box');
});
afterAll(async () => {
  await lab?.dispose();
  for (const mount of ['small', 'kept'])
    await must(['umount', '--quiet', join(place, mount)]).catch(() => undefined);
  await rm(place, { recursive: true });
  expect(await hostState()).toEqual(before);
});

describe('a machine that writes all the time', () => {
  const addressOf = () =>
    until(
      'it has an address',
      async () => (await lab.get<Guest>('vm/writer')).status?.networks?.[0]?.addresses?.[0],
      120_000,
    );
  const restored = async (status: { archive?: string }, name: string) => {
    const target = join(place, `${name}.raw`);
    await follow('files disk', { ARCHIVE: await archiveOf(status), DISK: 'data', TARGET: target });
    return verifyDisk(target);
  };

  it.each(['Snapshot', 'Suspend'])(
    'is had back from a backup by %s without a lost record, and wrote on meanwhile',
    async (mode) => {
      const address = await addressOf();
      const from = await until('it writes', () => writingAt(address), 120_000);
      const name = `vm-${mode.toLowerCase()}`;
      const status = await backUp(backup(name, 'VirtualMachine', 'writer', mode), name);
      expect(status).toMatchObject({ mode, consistency: 'Crash' });
      // The second is of what changed since the first.
      const bitmap = mode === 'Suspend' ? 'Used' : 'New';
      expect(bitmapsOf(status)).toEqual([bitmap, bitmap]);
      expect(status.stillMilliseconds).toBeLessThan(2_000);
      const now = await until('it writes on', async () => {
        const seen = await writingAt(address);
        return seen !== undefined && seen.number > from.number && seen;
      });
      const last = await restored(status, name);
      expect(last.boot).toBe(now.boot);
      expect(last.number).toBeGreaterThanOrEqual(from.number);
      expect(last.number).toBeLessThanOrEqual(now.number);
    },
  );

  it('by Stop is off for a moment only, and had back as it was when it went off', async () => {
    const address = await addressOf();
    const from = await until('it writes', () => writingAt(address), 120_000);
    const status = await backUp(backup('vm-stop', 'VirtualMachine', 'writer', 'Stop'), 'vm-stop');
    expect(status).toMatchObject({ mode: 'Stop', consistency: 'Filesystem' });
    // What QEMU marked outlived it.
    expect(bitmapsOf(status)).toEqual(['Used', 'Used']);
    expect(status.needs).toHaveLength(2);
    const last = await restored(status, 'vm-stop');
    expect(last.boot).toBe(from.boot);
    const now = await until('it writes on', async () => {
      const seen = await writingAt(await addressOf());
      return seen !== undefined && seen.boot !== from.boot && seen;
    });
    // It was copied before its first instruction, though it wrote while that went on.
    expect(now.number).toBeGreaterThan(last.number);
  });

  it('writes on when the pool of its backup is full, and when that is not mounted: each says so, and nothing of it is left', async () => {
    const [kept, small] = [join(place, 'kept'), join(place, 'small')];
    await must(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', kept]);
    await must(['mount', '--bind', kept, small]);
    await lab.apply(smallPool());
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pool/small');
    const address = await addressOf();
    const from = await until('it writes', () => writingAt(address), 120_000);
    const failsBy = async (name: string) => {
      const yaml = backup(name, 'VirtualMachine', 'writer', 'Snapshot', 'None');
      await lab.apply(yaml.replace('pool: local', 'pool: small, startDeadlineSeconds: 300'));
      const reason = await until(
        `${name} has failed`,
        async () => {
          const { status } = await lab.get<Backup>(`backups.vireo.dev/${name}`);
          if (status?.phase === 'Succeeded') throw new Error('it was made');
          return (
            status?.phase === 'Failed' && status.conditions?.find(({ type }) => type === 'Ready')?.reason
          );
        },
        90_000,
      );
      const number = (await until('it writes', () => writingAt(address))).number;
      const now = await until('it writes on, and is let go', async () => {
        const seen = await writingAt(address);
        const { status } = await lab.get<Guest>('vm/writer');
        return status?.lock === undefined && seen !== undefined && seen.number > number && seen;
      });
      expect(now.boot).toBe(from.boot);
      return reason;
    };
    expect(await failsBy('too-large')).toBe('PoolFull');
    expect(await must(['find', `${small}/pool/archives`, `${small}/pool/.partial`, '-mindepth', '1'])).toBe(
      '',
    );
    await must(['umount', small]);
    expect(await failsBy('nowhere')).toMatch(/^(PoolMissing|StoragePoolNotReady)$/);
    expect(await must(['find', small, '-mindepth', '1'])).toBe('');
    await must(['mount', '--bind', kept, small]);
    await lab.kubectl('delete', 'backups.vireo.dev', 'too-large', 'nowhere', '--wait', '--timeout=30s');
  });

  it('goes on when the agent is killed in the middle, and the backup is made in the end', async () => {
    const address = await addressOf();
    const from = await until('it writes', () => writingAt(address), 120_000);
    // What changed is little: it is read so slowly that the agent is seen at it.
    const yaml = backup('killed', 'VirtualMachine', 'writer', 'Snapshot').replace(
      'mode:',
      'bandwidth: 256Ki, mode:',
    );
    await lab.apply(yaml);
    await until('it is locked', async () => (await lab.get<Guest>('vm/writer')).status?.lock !== undefined);
    process.kill(await lab.child('agent'), 'SIGKILL');
    const status = await backUp(yaml, 'killed');
    expect(bitmapsOf(status)).toEqual(['Used', 'Used']);
    const last = await restored(status, 'killed');
    expect(last.boot).toBe(from.boot);
    await until(
      'it is not locked',
      async () => (await lab.get<Guest>('vm/writer')).status?.lock === undefined,
    );
  });
});

describe('a machine that is backed up by Stop while the agent is killed', () => {
  /** A busy machine that emulates another needs its time. */
  const LONG_MS = 240_000;
  /** What it writes, at the address that it has by then. */
  const writing = (isIt: (boot: string) => boolean) =>
    until(
      'it writes',
      async () => {
        const { status } = await lab.get<Guest>('vm/writer');
        const seen = await writingAt(status?.networks?.[0]?.addresses?.[0] ?? '');
        return seen !== undefined && isIt(seen.boot) && seen;
      },
      LONG_MS,
    );

  /** The boots that have written, in their order, as the disk has them that the machine writes to. */
  const bootsOf = async () => {
    const { status } = await lab.get<Guest>('vm/writer');
    const id = status?.volumes?.find(({ name }) => name === 'data')?.id ?? '';
    const live = await must(['find', lab.dataDirectory, '-path', `*/volumes/${id}/disk.qcow2`]);
    const copy = join(place, 'live.raw');
    await must(['qemu-img', 'convert', '-U', '-f', 'qcow2', '-O', 'raw', live.trim(), copy]);
    return writtenInOrder(copy);
  };

  it.each([
    ['while it is off', 'stop-off'],
    ['while it is copied', 'stop-copied'],
  ])(
    '%s was shut down once, runs again, and has a backup of which nothing is lost',
    async (when, name) => {
      const from = await writing(() => true);
      const { status } = await lab.get<Guest>('vm/writer');
      const uuid = status?.uuid ?? '';
      const [agent, before] = [await lab.child('agent'), await qemuPid(uuid)];
      // All of it, read so slowly that the agent is seen at it.
      const yaml = backup(name, 'VirtualMachine', 'writer', 'Stop').replace(
        'fullEvery: 4',
        'fullEvery: 1, bandwidth: 8Mi',
      );
      await lab.apply(yaml);
      const half = ['find', lab.dataDirectory, '-path', '*/.partial/*', '-name', 'root.qcow2'];
      // Off it is for a moment only: nothing but a look at the process is as fast.
      await until('it is off', async () => (await qemuPid(uuid)) !== before, LONG_MS, 5);
      if (when === 'while it is copied')
        await until(
          'a part of it has been copied',
          async () => (await must([...half, '-size', '+2048k'])) !== '',
          LONG_MS,
          20,
        );
      const then = await qemuPid(uuid);
      process.kill(agent, 'SIGKILL');
      expect((await lab.get<Backup>(`backups.vireo.dev/${name}`)).status?.phase).toBe('Running');
      const made = await backUp(yaml, name, LONG_MS);
      const now = await writing((boot) => boot !== from.boot);
      const last = await lastSaved(name);
      // What is saved as it runs is of the boot before until it has written again.
      expect(made.mode === 'Stop' ? [from.boot] : [from.boot, now.boot]).toContain(last.boot);
      expect(last.number).toBeGreaterThanOrEqual(from.number);
      await until(
        'it is not locked',
        async () => (await lab.get<Guest>('vm/writer')).status?.lock === undefined,
      );
      expect((await writing(() => true)).boot).toBe(now.boot);
      expect((await bootsOf()).slice(-2)).toEqual([from.boot, now.boot]);
      if (when === 'while it is copied') expect(await qemuPid(uuid)).toBe(then);
    },
    3 * LONG_MS,
  );
});

describe('a snapshot with memory', () => {
  it('has the machine go on where it stood, without a boot, though it was shut down since', async () => {
    const address = () =>
      until(
        'it has an address',
        async () => (await lab.get<Guest>('vm/writer')).status?.networks?.[0]?.addresses?.[0],
        120_000,
      );
    const from = await until('it writes', async () => writingAt(await address()), 120_000);
    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Snapshot
metadata: {name: awake, namespace: default}
spec: {guest: {kind: VirtualMachine, name: writer}, memory: Include}
`);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'snap/awake');
    const { status } = await lab.get<{ status: { memory?: string; stillMilliseconds: number } }>(
      'snap/awake',
    );
    expect(status.memory).toBeDefined();
    expect(status.stillMilliseconds).toBeLessThan(2_000);
    const then = await until('it writes on', async () => {
      const seen = await writingAt(await address());
      return seen !== undefined && seen.number > from.number + 20 && seen;
    });
    expect(then.boot).toBe(from.boot);
    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Rollback
metadata: {name: awake, namespace: default}
spec: {guest: {kind: VirtualMachine, name: writer}, snapshot: awake, ifRunning: Stop}
`);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'rb/awake');
    const back = await until('it goes on', async () => writingAt(await address()), 120_000);
    expect(back.boot).toBe(from.boot);
    await until('it counts on', async () => {
      const seen = await writingAt(await address());
      return seen !== undefined && seen.number > back.number;
    });
    await lab.kubectl('delete', 'snap/awake', 'rb/awake');
    expect(await must(['find', lab.dataDirectory, '-path', '*/memory/snap-*'])).toBe('');
  });
});

describe('a container whose log grows all the time', () => {
  it('is had back with a whole log, owners and capabilities, by Suspend where its pool has no snapshots', async () => {
    const { status } = await lab.get<Guest>('ct/box');
    const id = status?.volumes?.find(({ name }) => name === 'rootfs')?.id ?? '';
    const volume = (
      await must(['find', lab.dataDirectory, '-type', 'd', '-name', id, '-path', '*volumes*'])
    ).trim();
    const root = join(volume, 'rootfs');
    await must([
      'sh',
      '-c',
      `cp "$(command -v sleep)" ${root}/able && chown 1000:1001 ${root}/able && chmod 4755 ${root}/able`,
    ]);
    await must(['setcap', 'cap_net_raw+ep', `${root}/able`]);
    let writing = true;
    const writer = (async () => {
      for (let line = 1; writing; line += 1)
        await must(['sh', '-c', `echo ${line} $(echo ${line} | sha256sum | cut -c1-64) >> ${root}/log`]);
    })();
    const made = await backUp(backup('box', 'Container', 'box', 'Snapshot', 'Gzip'), 'box');
    writing = false;
    await writer;
    expect(made).toMatchObject({ mode: 'Suspend', consistency: 'Filesystem' });
    expect(made.message).toMatch(/Suspend/);
    const target = join(place, 'root');
    await mkdir(target);
    await follow('root', { ARCHIVE: await archiveOf(made), TARGET: target });
    const log = await readFile(join(target, 'log'), 'utf8');
    expect((await readFile(join(root, 'log'), 'utf8')).startsWith(log)).toBe(true);
    expect(log.endsWith('\n')).toBe(true);
    expect((await must(['stat', '-c', '%u:%g %a', `${target}/able`])).trim()).toBe('1000:1001 4755');
    expect(await must(['getcap', `${target}/able`])).toContain('cap_net_raw=ep');
    expect((await lab.get<Guest>('ct/box')).status?.phase).toBe('Running');
  });
});

describe('guests made from backups', () => {
  it('run beside those they were, with what they had', async () => {
    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: again, namespace: default}
spec:
  memory: {size: 96Mi}
  display: None
  disks:
    - {name: root, pool: local, format: raw, source: {backup: {name: vm-snapshot}}}
    - {name: data, pool: local, format: raw, source: {backup: {name: vm-snapshot}}}
  networks: [{name: eth0, nat: {}}]
  shutdown: {timeoutSeconds: 10}
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: box-again, namespace: default}
spec: {image: busybox, rootfs: {pool: local, source: {backup: {name: box}}}, memory: 64Mi, shutdown: {timeoutSeconds: 10}}
`);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'vm/again', 'ct/box-again');
    const machine = await lab.get<Guest>('vm/again');
    const address = await until(
      'it has an address',
      async () => (await lab.get<Guest>('vm/again')).status?.networks?.[0]?.addresses?.[0],
      120_000,
    );
    const writing = await until('it writes', () => writingAt(address), 120_000);
    // It goes on from the number that it had in the backup, and not from 1.
    const saved = await lastSaved('vm-snapshot');
    expect(writing.number).toBeGreaterThan(saved.number);
    expect(writing.boot).not.toBe(saved.boot);
    expect(machine.status?.volumes?.map(({ name }) => name)).toEqual(['root', 'data']);
    const id = (await lab.get<Guest>('ct/box-again')).status?.volumes?.[0]?.id ?? '';
    const root = (
      await must(['find', lab.dataDirectory, '-type', 'd', '-name', id, '-path', '*volumes*'])
    ).trim();
    expect((await must(['stat', '-c', '%u:%g %a', `${root}/rootfs/able`])).trim()).toBe('1000:1001 4755');
    expect(await must(['getcap', `${root}/rootfs/able`])).toContain('cap_net_raw=ep');
  });
});

describe('archives', () => {
  it('are encrypted with the key of the host, and opened by the recipe of the page', async () => {
    const yaml = backup('sealed', 'VirtualMachine', 'writer', 'Snapshot').replace(
      'mode:',
      'encryption: Age, mode:',
    );
    const status = await backUp(yaml, 'sealed');
    const [plain, target] = [join(place, 'plain'), join(place, 'sealed.raw')];
    await mkdir(plain);
    await follow('decrypt', { ARCHIVE: await archiveOf(status), KEY: join(place, 'key'), PLAIN: plain });
    await follow('files disk', { ARCHIVE: plain, DISK: 'data', TARGET: target });
    expect((await verifyDisk(target)).number).toBeGreaterThan(0);
    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Verify
metadata: {name: sealed, namespace: default}
spec: {backup: sealed}
`);
    await lab.kubectl('wait', '--for=condition=Verified', '--timeout=60s', 'backups.vireo.dev/sealed');
  });

  it('become Backups again when their objects are lost and the pool asks for it', async () => {
    await lab.kubectl(
      'patch',
      'backups.vireo.dev',
      'vm-stop',
      '--type=merge',
      '-p',
      '{"spec":{"deletionPolicy":"Retain"}}',
    );
    const { status } = await lab.get<Backup>('backups.vireo.dev/vm-stop');
    await lab.kubectl('delete', 'backups.vireo.dev', 'vm-stop', '--wait');
    await lab.kubectl('patch', 'pool', 'local', '--type=merge', '-p', '{"spec":{"importArchives":true}}');
    type List = { items: { metadata: { name: string }; status?: { archive?: string; phase?: string } }[] };
    const again = await until('it is there again', async () => {
      const { items } = await lab.get<List>('backups.vireo.dev');
      return items.find(({ status: is }) => is?.archive === status?.archive && is?.phase === 'Succeeded');
    });
    expect(again.metadata.name).toMatch(/^writer-\d{8}-[0-9a-f]{8}$/);
    expect((await lab.get<List>('backups.vireo.dev')).items).toHaveLength(8);
    await lab.kubectl('patch', 'pool', 'local', '--type=merge', '-p', '{"spec":{"importArchives":false}}');
  });
});

const restore = (name: string, kind: string, guest: string, from: string) => `
apiVersion: vireo.dev/v1alpha1
kind: Restore
metadata: {name: ${name}, namespace: default}
spec: {guest: {kind: ${kind}, name: ${guest}}, backup: ${from}, ifRunning: Stop}
`;

describe('guests restored in place', () => {
  const restoreTo = async (yaml: string, name: string) => {
    await lab.apply(yaml);
    await until(
      `${name} is over`,
      async () => {
        const { status } = await lab.get<Backup>(`restores.vireo.dev/${name}`);
        if (status?.phase === 'Failed') throw new Error(status.message);
        return status?.phase === 'Succeeded';
      },
      90_000,
    );
  };

  it('a machine goes on from the backup with the address it had, though the agent was killed meanwhile', async () => {
    const { status } = await lab.get<Guest>('vm/writer');
    const address = status?.networks?.[0]?.addresses?.[0] ?? '';
    const saved = await lastSaved('vm-suspend');
    const later = await until('it writes', () => writingAt(address), 120_000);
    expect(later.number).toBeGreaterThan(saved.number);
    await lab.apply(restore('vm-back', 'VirtualMachine', 'writer', 'vm-suspend'));
    await until('it is locked', async () => (await lab.get<Guest>('vm/writer')).status?.lock !== undefined);
    process.kill(await lab.child('agent'), 'SIGKILL');
    await restoreTo(restore('vm-back', 'VirtualMachine', 'writer', 'vm-suspend'), 'vm-back');
    const writing = await until(
      'it writes anew',
      async () => {
        const now = await writingAt(address);
        return now !== undefined && now.boot !== later.boot && now;
      },
      120_000,
    );
    // It counted on from the backup, not from where it was: the very next number is of the new boot.
    await backUp(backup('vm-after', 'VirtualMachine', 'writer', 'Snapshot'), 'vm-after');
    await lastSaved('vm-after');
    const next = await writtenAs(join(place, 'vm-after-again.raw'), saved.number + 1);
    expect(next).toEqual({ boot: writing.boot, number: saved.number + 1 });
  });

  it('a container has its files back, and none that came since', async () => {
    const { status } = await lab.get<Guest>('ct/box');
    const id = status?.volumes?.find(({ name }) => name === 'rootfs')?.id ?? '';
    const volume = (
      await must(['find', lab.dataDirectory, '-type', 'd', '-name', id, '-path', '*volumes*'])
    ).trim();
    await must(['sh', '-c', `rm ${volume}/rootfs/able && touch ${volume}/rootfs/since`]);
    await restoreTo(restore('box-back', 'Container', 'box', 'box'), 'box-back');
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'ct/box');
    expect((await must(['stat', '-c', '%u:%g %a', `${volume}/rootfs/able`])).trim()).toBe('1000:1001 4755');
    expect(await must(['ls', `${volume}/rootfs`])).not.toContain('since');
    expect(await must(['find', lab.dataDirectory, '-path', '*/.prepared/*'])).toBe('');
  });
});

/** What the guest wrote last before the backup of that name. */
async function lastSaved(name: string) {
  const { status } = await lab.get<Backup>(`backups.vireo.dev/${name}`);
  const target = join(place, `${name}-again.raw`);
  await follow('files disk', { ARCHIVE: await archiveOf(status ?? {}), DISK: 'data', TARGET: target });
  return verifyDisk(target);
}
