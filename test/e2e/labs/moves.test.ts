/** What moves between real hosts beside a running machine with disks of its own: containers, shared pools, guests that are off, a whole host. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { backUp, bitmaps, lastIn } from '../../lab/backups.ts';
import { type Box, box } from '../../lab/containers.ts';
import { container, foundations, type Guest, machineGuest, WRITER_IMAGE, writer } from '../../lab/guests.ts';
import { type Lab, openLab } from '../../lab/lab.ts';
import { move, settles } from '../../lab/migrations.ts';
import { remainsOf } from '../../lab/remains.ts';
import { report } from '../../lab/report.ts';
import { type Traces, traces, volumesIn } from '../../lab/traces.ts';
import { buildWriterDisk, verifyDisk } from '../../lab/writer.ts';
import { must, run, until, vireo } from '../harness/commands.ts';

const HOSTS = ['a', 'b'];
const images = join(tmpdir(), 'vireo-lab-images');
const ground = join(tmpdir(), 'vireo-lab-shared');
const shared = join(ground, 'pool');
const place = {
  name: 'vmore',
  directory: join(tmpdir(), 'vireo-lab-more'),
  network: 215,
  images,
  shared: ground,
};

/** A host boots, says what it has, and takes two guests at a time; a move that it refuses at first is made again after a minute. */
const BACK_MS = 240_000;

const SHARED = `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: shared}
spec: {type: Directory, shared: true, directory: {path: ${shared}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: shared-writer}
spec: {kind: Disk, pool: shared, source: {path: {path: ${join(images, WRITER_IMAGE)}}}}
`;

const SNAPSHOT = `
apiVersion: vireo.dev/v1alpha1
kind: Snapshot
metadata: {name: moved, namespace: default}
spec: {guest: {kind: VirtualMachine, name: common}}
`;
const ROLLBACK = `
apiVersion: vireo.dev/v1alpha1
kind: Rollback
metadata: {name: moved, namespace: default}
spec: {guest: {kind: VirtualMachine, name: common}, snapshot: moved, ifRunning: Stop}
`;

describe('two hosts', () => {
  let lab: Lab;
  let empty: Map<string, Traces>;
  let web: Box;
  let own: Guest;
  let common: Guest;
  let sharedBefore: string[];
  /** The host whose guests left for its maintenance. */
  let drained: string;
  const env = () => ({ KUBECONFIG: lab.kubeconfig });

  beforeAll(async () => {
    await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
    lab = openLab(place);
    await lab.down();
    await mkdir(shared, { recursive: true });
    await lab.up(HOSTS);
    await lab.apply(foundations(images));
    await lab.apply(SHARED);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
    empty = new Map(
      await Promise.all(HOSTS.map(async (name) => [name, await traces(lab.host(name))] as const)),
    );
    sharedBefore = await volumesIn(shared);
    await lab.apply(container('web'));
    web = box(lab, 'web');
    own = machineGuest(lab, 'own');
    common = machineGuest(lab, 'common');
  });
  afterAll(() => lab?.down());

  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm', 'ct', 'mig'])}\n`);
    });
  });

  const otherThan = (host: string) => HOSTS.find((name) => name !== host) ?? '';
  const untilEmpty = (host: string) =>
    expect.poll(() => traces(lab.host(host)), { timeout: 60_000, interval: 250 }).toEqual(empty.get(host));
  /** Says of each that is not where it has been. */
  const areBack = async (guests: readonly { name: string; host(): Promise<string | undefined> }[]) => {
    const away: string[] = [];
    for (const guest of guests) {
      const at = await guest.host();
      if (at !== drained) away.push(`${guest.name} is still on ${at}`);
    }
    if (away.length > 0) throw new Error(away.join('; '));
    return true;
  };
  const strategy = (guest: Guest, runStrategy: string) =>
    lab.kubectl('patch', guest.name, '--type=merge', '-p', JSON.stringify({ spec: { runStrategy } }));

  it('move a container: it is stopped for a moment, which is measured, and has lost nothing', async () => {
    const from = await web.settles();
    await web.counts();
    await until('it has counted', async () => (await web.counted()) > 10);
    const asked = await move(lab, web, 'container', { to: otherThan(from) });
    await asked.reaches('Copying');
    const counted = await web.counted();
    const ended = await asked.ends();
    expect(ended).toMatchObject({ phase: 'Succeeded', type: 'Offline' });
    expect(ended?.downtimeMilliseconds).toBeGreaterThan(0);
    expect(ended?.downtimeMilliseconds).toBeLessThan(30_000);
    expect(await web.settles()).toBe(otherThan(from));
    expect(await web.counted()).toBeGreaterThanOrEqual(counted);
    await untilEmpty(from);
  });

  it('start a container where it was when it cannot be started where it went', async () => {
    const from = await web.settles();
    const counted = await web.counted();
    const broken = lab.host(otherThan(from));
    const lxcStart = (await broken.run('which', 'lxc-start')).trim();
    await broken.run('mount', '--bind', '/bin/false', lxcStart);
    const asked = await move(lab, web, 'no-start', { to: broken.name });
    const ended = await asked.ends().finally(() => broken.run('umount', lxcStart));
    expect(ended).toMatchObject({ phase: 'Failed' });
    expect(await web.settles()).toBe(from);
    expect(await web.counted()).toBe(counted);
    await untilEmpty(broken.name);
  });

  it('move a machine on a shared pool without its disks, while it runs, and its snapshots are where it is', async () => {
    await lab.apply(writer('common', { pool: 'shared', image: 'shared-writer' }));
    const { host: from } = await settles(common);
    await lab.apply(SNAPSHOT);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'snap/moved');
    const wrote = await common.writing();
    const volumes = await volumesIn(shared);
    const asked = await move(lab, common, 'common', { to: otherThan(from), type: 'Live' });
    expect(await asked.ends()).toMatchObject({ phase: 'Succeeded', type: 'Live' });
    expect(await settles(common)).toMatchObject({ host: otherThan(from) });
    expect((await common.writesOn(wrote)).boot).toBe(wrote.boot);
    expect(await volumesIn(shared)).toEqual(volumes);
    const field = (path: string) => lab.kubectl('get', 'snap/moved', '-o', `jsonpath={.status.${path}}`);
    await until('its host has the snapshot', async () => (await field('host')) === otherThan(from));
    await lab.apply(ROLLBACK);
    await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=120s', 'rb/moved');
    // It boots from what its disk was.
    await until('it writes again', async () => (await common.writing()).boot !== wrote.boot, 120_000);
    expect(await field('phase')).toBe('Ready');
    await lab.kubectl('delete', 'snap/moved', 'rb/moved', '--timeout=60s');
    expect(await volumesIn(shared)).toEqual(volumes);
  });

  it('move the disks of a machine that is off, and it stays off', async () => {
    await lab.apply(writer('own'));
    const { host: from } = await settles(own);
    const wrote = await own.writing();
    await strategy(own, 'Halted');
    await until('it is off', async () => (await own.instances()).length === 0);
    const last = await verifyDisk(await own.dataDisk());
    const asked = await move(lab, own, 'stopped', { to: otherThan(from) });
    const ended = await asked.ends();
    expect(ended).toMatchObject({ phase: 'Succeeded', type: 'Offline' });
    expect(ended).not.toHaveProperty('downtimeMilliseconds');
    expect(await own.host()).toBe(otherThan(from));
    expect(await own.instances()).toEqual([]);
    expect(await verifyDisk(await own.dataDisk())).toEqual(last);
    await strategy(own, 'Always');
    expect(await settles(own)).toMatchObject({ host: otherThan(from) });
    expect((await own.writing()).number).toBeGreaterThan(wrote.number);
  });

  it('are drained: all guests leave, also when the manager is killed meanwhile', async () => {
    drained = (await own.host()) ?? '';
    for (const guest of [common, web]) {
      if ((await guest.host()) === drained) continue;
      const asked = await move(lab, guest, `join-${guest.name.replace('/', '-')}`, { to: drained });
      expect(await asked.ends()).toMatchObject({ phase: 'Succeeded' });
    }
    for (const before of await Promise.all([backUp(lab, own, 'own-1'), backUp(lab, common, 'common-1')]))
      expect(bitmaps(before)).toEqual(['New', 'New']);
    const wrote = await Promise.all([own.writing(), common.writing()]);
    const draining = run(
      [process.execPath, vireo, 'drain', drained, '--reason', 'new memory', '--timeout', '150'],
      { env: env(), timeoutMs: 160_000 },
    );
    await until('a move has begun', async () => {
      const { items } = await lab.get<{ items: { status?: { phase?: string } }[] }>('mig');
      return items.some(({ status }) => status?.phase === 'Preparing' || status?.phase === 'Copying');
    });
    await lab.manager.kill();
    await lab.manager.start();
    expect(await draining).toMatchObject({ code: 0, stdout: expect.stringContaining('Drained') });
    const refuge = otherThan(drained);
    expect(await settles(own)).toMatchObject({ host: refuge });
    expect(await settles(common)).toMatchObject({ host: refuge });
    expect(await web.settles()).toBe(refuge);
    expect((await own.writing()).boot).toBe(wrote[0]?.boot);
    expect((await common.writing()).boot).toBe(wrote[1]?.boot);
    await untilEmpty(drained);
    // What another host has marked is no base here.
    expect(bitmaps(await backUp(lab, own, 'own-2'))).toEqual(['New', 'New']);
  });

  it('take their guests back after the reboot', async () => {
    const wrote = await Promise.all([own.writing(), common.writing()]);
    await lab.host(drained).powerCut();
    await lab.start(drained);
    await must([process.execPath, vireo, 'drain', drained, '--undo'], { env: env() });
    await until(`${drained} has all its guests back`, () => areBack([own, common, web]), BACK_MS, 500);
    expect(await settles(own)).toMatchObject({ host: drained });
    expect(await settles(common)).toMatchObject({ host: drained });
    expect(await web.settles()).toBe(drained);
    expect((await own.writing()).boot).toBe(wrote[0]?.boot);
    expect((await common.writing()).boot).toBe(wrote[1]?.boot);
    await untilEmpty(otherThan(drained));
  }, 420_000);

  it('back up only what changed where the disk itself has moved, and everything of one that was copied', async () => {
    const wrote = await Promise.all([own.writing(), common.writing()]);
    const [ofOwn, ofCommon] = await Promise.all([backUp(lab, own, 'own-3'), backUp(lab, common, 'common-2')]);
    expect(bitmaps(ofOwn)).toEqual(['Recreated', 'Recreated']);
    expect(bitmaps(ofCommon)).toEqual(['Used', 'Used']);
    for (const [index, backup] of [ofOwn, ofCommon].entries())
      expect((await lastIn(shared, backup)).number).toBeGreaterThanOrEqual(wrote[index]?.number ?? Infinity);
  });

  it('have lost no write, and are as empty as before when all guests have been deleted', async () => {
    for (const guest of [own, common]) {
      await strategy(guest, 'Halted');
      await until(`${guest.name} is off`, async () => (await guest.instances()).length === 0);
      expect((await verifyDisk(await guest.dataDisk())).number).toBeGreaterThan(1);
    }
    await lab.kubectl('delete', '--timeout=60s', 'vm,ct', '--all');
    for (const host of HOSTS) await untilEmpty(host);
    expect(await volumesIn(shared)).toEqual(sharedBefore);
    await lab.down();
    expect(await remainsOf(place)).toEqual([]);
  });
});
