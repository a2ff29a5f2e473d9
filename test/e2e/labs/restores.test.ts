/** What lies in a pool of one real host only is had on another: the disks of a machine that has moved, and a new machine. Encrypted, and of what changed. */
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { type BackupStatus, bitmaps } from '../../lab/backups.ts';
import { foundations, type Guest, machineGuest, WRITER_IMAGE, writer } from '../../lab/guests.ts';
import { type Lab, openLab } from '../../lab/lab.ts';
import { move, settles } from '../../lab/migrations.ts';
import { report } from '../../lab/report.ts';
import { buildWriterDisk, verifyDisk } from '../../lab/writer.ts';
import { must, until } from '../harness/commands.ts';

const HOSTS = ['a', 'b'];
const images = join(tmpdir(), 'vireo-lab-images');
const place = { name: 'vrest', directory: join(tmpdir(), 'vireo-lab-restores'), network: 219, images };

type RestoreStatus = {
  phase?: string;
  message?: string;
  progress?: { percent: number };
  conditions?: { type: string; reason: string }[];
};

describe('an archive in a pool of one host', () => {
  let lab: Lab;
  let web: Guest;
  let from: string;
  let to: string;
  /** Numbers of the records before and after the second backup was taken. */
  let least: number;
  let most: number;

  beforeAll(async () => {
    await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
    lab = openLab(place);
    await lab.down();
    await lab.up(HOSTS);
    const key = join(lab.directory, 'backup.key');
    await must(['age-keygen', '-o', key]);
    await lab.kubectl(
      ...['-n', 'vireo-system', 'create', 'secret', 'generic', 'backup-keys', `--from-file=main=${key}`],
    );
    await lab.apply(
      foundations(images).replace('spec: {type: Directory}', 'spec: {type: Directory, backupKey: main}'),
    );
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
    await lab.apply(writer('web'));
    web = machineGuest(lab, 'web');
  });
  afterAll(() => lab?.down());

  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm', 'mig', 'bak', 'rst', 'vhost'])}\n`);
    });
  });

  const backUp = async (name: string): Promise<BackupStatus> => {
    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Backup
metadata: {name: ${name}, namespace: default}
spec: {guest: {kind: VirtualMachine, name: web}, pool: local, fullEvery: 4, encryption: Age}
`);
    return until(`${name} is made`, async () => {
      const { status } = await lab.get<{ status?: BackupStatus }>('bak', name);
      if (status?.phase === 'Failed') throw new Error(status.message);
      return status?.phase === 'Succeeded' && status;
    });
  };
  const restoreStatus = async (name: string) =>
    (await lab.get<{ status?: RestoreStatus }>('rst', name)).status ?? {};
  const readyReason = ({ conditions = [] }: RestoreStatus) =>
    conditions.find(({ type }) => type === 'Ready')?.reason;
  const pool = (host: string, part: string) =>
    readdir(join(lab.host(host).disk, 'agent', 'pools', 'local', part));
  const strategy = (runStrategy: string) =>
    lab.kubectl('patch', web.name, '--type=merge', '-p', JSON.stringify({ spec: { runStrategy } }));

  it('gives a machine that has moved its disks back, though the agent there dies meanwhile', async () => {
    from = (await settles(web)).host;
    to = from === 'a' ? 'b' : 'a';
    expect(bitmaps(await backUp('first'))).toEqual(['New', 'New']);
    least = (await web.writesOn(await web.writing())).number;
    expect(bitmaps(await backUp('second'))).toEqual(['Used', 'Used']);
    most = (await web.writing()).number;
    const moved = await move(lab, web, 'away', { to, type: 'Live' });
    expect(await moved.ends()).toMatchObject({ phase: 'Succeeded' });
    await settles(web);
    await strategy('Halted');
    await until('it is off', async () => (await web.instances()).length === 0);
    expect((await verifyDisk(await web.dataDisk())).number).toBeGreaterThan(most);

    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Restore
metadata: {name: back, namespace: default}
spec: {guest: {kind: VirtualMachine, name: web}, backup: second, bandwidth: 1Mi}
`);
    await until('it is on its way', async () => (await pool(to, '.partial')).length > 0);
    await lab.host(from).agent.kill();
    const held = ['PeerUnreachable', 'PeerHungUp', 'HostLost'];
    await until('it waits', async () => held.includes(readyReason(await restoreStatus('back')) ?? ''));
    await lab.host(from).agent.start();
    const ended = await until(
      'it is over',
      async () => {
        const status = await restoreStatus('back');
        if (status.phase === 'Failed') throw new Error(status.message);
        return status.phase === 'Succeeded' && status;
      },
      180_000,
    );
    expect(ended).toMatchObject({ progress: { percent: 100 } });
    const { number } = await verifyDisk(await web.dataDisk());
    expect(number).toBeGreaterThanOrEqual(least);
    expect(number).toBeLessThanOrEqual(most);
    expect([await pool(to, 'archives'), await pool(to, '.partial')]).toEqual([[], []]);
    await strategy('Always');
    expect((await settles(web)).host).toBe(to);
  });

  it('makes a new machine where it is asked to run', async () => {
    await lab.apply(
      writer('copy', { host: to })
        .replace('source: {image: {name: writer}}', 'source: {backup: {name: second}}')
        .replace('size: 16Mi', 'size: 16Mi, source: {backup: {name: second}}'),
    );
    const copy = machineGuest(lab, 'copy');
    expect((await settles(copy)).host).toBe(to);
    expect((await copy.writing()).number).toBeGreaterThanOrEqual(least);
    expect([await pool(to, 'archives'), await pool(to, '.partial')]).toEqual([[], []]);
    await lab.kubectl('delete', '--timeout=60s', 'vm,bak', '--all');
  });
});
