/**
 * A protected machine on three real hosts: its host falls silent and it is killed there in time; then devices cut lost hosts off, well or badly,
 * while the manager that told them to is killed: the machine runs elsewhere, and never twice.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/main/layout.ts';
import {
  type Availability,
  HA_HOSTS,
  openAvailability,
  protectedBy,
  runsElsewhere,
  watchTwice,
} from '../lab/availability.ts';
import { box } from '../lab/containers.ts';
import { lyingPower } from '../lab/devices/power.ts';
import { container, type Guest, machineGuest, writer } from '../lab/guests.ts';
import { keeperProcess } from '../lab/keeper.ts';
import type { Lab } from '../lab/lab.ts';
import { move } from '../lab/migrations.ts';
import { watchRecovery } from '../lab/recovery.ts';
import { report } from '../lab/report.ts';
import { createService } from '../lab/service.ts';
import { writtenInOrder } from '../lab/writer.ts';
import { until, vireo } from './harness/commands.ts';

/** Ten minutes in `npm run soak:labs`. */
const OUTAGE_MS = 1_000 * Number(process.env.VIREO_OUTAGE_SECONDS ?? 60);

describe('three hosts with high availability', () => {
  let ha: Availability;
  let lab: Lab;
  let db: Guest;
  let plain: Guest;

  beforeAll(async () => {
    ha = await openAvailability({ name: 'vha', network: 221, policy: '{}' });
    lab = ha.lab;
    db = await ha.addMachine('db');
  });
  afterAll(() => ha?.close());
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm', 'mig', 'vpolicy', 'vhost', 'fa', 'fence'])}\n`);
    });
  });

  const keeperOf = async (host: string) => (await ha.haOf(host))?.keeper;
  const hostOf = async (guest: Guest) => (await guest.host()) ?? '';
  const cutOff = async (host: string) => {
    for (const other of ['control', ...HA_HOSTS.filter((name) => name !== host)]) await lab.cut(host, other);
  };
  const deviceAnswers = (name: string) =>
    lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', `fence/${name}`);
  const isBack = (host: string) =>
    until(`${host} is online again`, async () => (await ha.haOf(host))?.ha?.state === 'Online', 90_000);

  it('have the machine guarded, also while the agent of its host is gone, whose control groups the keeper does not share', async () => {
    const host = await hostOf(db);
    const keeper = await keeperProcess(lab.host(host));
    expect(keeper.groups.every((group) => group === `/${layoutOf(lab.host(host).disk).keeperGroup}`)).toBe(
      true,
    );
    expect(new Set(keeper.nice)).toEqual(new Set([-20]));
    const before = await db.writing();
    await lab.host(host).agent.kill();
    const begun = performance.now();
    // Longer than the deadline of a host that is not heard.
    await until('time passes', async () => performance.now() - begun > 16_000);
    expect(await db.instances()).toMatchObject([{ host }]);
    await db.writesOn(before);
    expect((await keeperProcess(lab.host(host))).pid).toBe(keeper.pid);
    await lab.host(host).agent.start();
  });

  it(
    'stop nothing while the API server is away: the hosts ask each other',
    async () => {
      const host = await hostOf(db);
      const before = await db.writing();
      const { term } = (await keeperOf(host)) ?? {};
      // Voters excuse others after six seconds; without that the machine would be dead after twelve.
      await lab.apiserver.kill();
      const begun = performance.now();
      await until(
        'an outage has passed',
        async () => performance.now() - begun > OUTAGE_MS,
        OUTAGE_MS + 10_000,
      );
      await db.writesOn(before);
      await lab.apiserver.start();
      await until('the host is heard again', async () => (await keeperOf(host))?.term === term, 60_000);
      expect(await hostOf(db)).toBe(host);
      expect((await keeperOf(host))?.selfFencedAt).toBeUndefined();
      expect(await lab.kubectl('get', 'fenceactions.vireo.dev', '-o', 'name')).toBe('');
    },
    OUTAGE_MS + 150_000,
  );

  it('kill it when its host can be heard by nobody, and nothing else there', async () => {
    const host = await hostOf(db);
    await lab.apply(writer('plain', { pool: 'shared', image: 'shared-writer', host }));
    plain = machineGuest(lab, 'plain');
    await plain.writing();
    const begun = performance.now();
    await cutOff(host);
    const dead = await until(
      'the machine is dead on the host that was cut off',
      async () => (await db.instances()).every((one) => one.host !== host) && performance.now(),
      30_000,
    );
    process.stdout.write(`killed ${Math.round(dead - begun)} ms after the cut\n`);
    expect(dead - begun).toBeLessThan(16_000);
    expect(await plain.instances()).toMatchObject([{ host }]);
    await lab.mend();
    await until('the host says so', async () => (await keeperOf(host))?.selfFencedAt, 60_000);
    await db.writing();
    expect(await db.instances()).toHaveLength(1);
    // Two machines boot in it, one after the other.
  }, 300_000);

  it('start it and a container elsewhere, once, when their host loses its power and its management controller proves that', async () => {
    const host = await hostOf(db);
    await ha.addIpmi(host);
    const web = box(lab, 'web');
    await lab.apply(protectedBy('{}', container('web', { pool: 'shared', host })));
    await web.settles();
    await web.writes();
    // Placed on a host for good it would wait for it.
    await lab.apply(protectedBy('{}', container('web', { pool: 'shared' })));
    await deviceAnswers(`${host}-bmc`);
    const [written] = await until('it writes', async () => (await web.records()).length > 0 && web.records());
    const epoch = (await web.status()).placement?.epoch ?? 0;
    const before = await db.writing();
    const recovery = await watchRecovery(ha, db, { host, before: before.boot });
    const begun = performance.now();
    await lab.host(host).powerCut();
    const [tookMs, boxedMs] = await Promise.all([
      recovery.ends(),
      until('the container writes', async () => {
        const last = (await web.records()).at(-1);
        return last !== undefined && last.life !== written?.life && performance.now() - begun;
      }),
    ]);
    process.stdout.write(`power cut, until the container writes: ${Math.round(boxedMs)} ms\n`);
    expect(tookMs).toBeLessThan(15_000);
    expect(boxedMs).toBeLessThan(20_000);
    expect((await ha.haOf(host))?.ha?.proof).toMatchObject({ kind: 'PowerOff' });
    await db.writesOn(before);
    expect(await db.instances()).toHaveLength(1);
    expect(await web.settles()).not.toBe(host);
    expect((await web.status()).placement?.epoch).toBe(epoch + 1);
    expect(await hostOf(db)).not.toBe(host);
    await lab.start(host);
    await isBack(host);
    expect(await web.runsOn()).toHaveLength(1);
    expect(new Set((await web.records()).map(({ life }) => life)).size).toBe(2);
    await lab.kubectl('delete', web.name, `fence/${host}-bmc`);
    // A machine boots in it, on a busy machine of the tests slowly.
  }, 300_000);

  it('start it from its disk where it was moving to, when its host loses its power in the middle of the move', async () => {
    const from = await hostOf(db);
    const [to = '', third = ''] = HA_HOSTS.filter((name) => name !== from);
    const cordon = (unschedulable: boolean) =>
      lab.kubectl(
        'patch',
        `vhost/${third}`,
        '--type=merge',
        '-p',
        JSON.stringify({ spec: { unschedulable } }),
      );
    await cordon(true);
    await ha.addIpmi(from);
    await deviceAnswers(`${from}-bmc`);
    const before = await db.writing();
    // Its memory would be on the way for a minute.
    const asked = await move(lab, db, 'cut-short', { to, type: 'Live', bandwidth: '1Mi' });
    await asked.reaches('Synchronizing');
    const begun = performance.now();
    await lab.host(from).powerCut();
    await until('it writes again', async () => (await db.writing()).boot !== before.boot, 90_000);
    const tookMs = Math.round(performance.now() - begun);
    process.stdout.write(`power cut in the middle of a move, until the machine writes again: ${tookMs} ms\n`);
    expect(await hostOf(db)).toBe(to);
    expect(await db.instances()).toMatchObject([{ host: to }]);
    // What waited for its memory there may have been given up before the guest was recovered.
    expect((await asked.ends())?.message).toContain('source host was lost');
    await lab.start(from);
    await isBack(from);
    expect(await db.instances()).toMatchObject([{ host: to }]);
    await lab.kubectl('delete', 'mig/cut-short', `fence/${from}-bmc`);
    await cordon(false);
  }, 300_000);

  it('are told by the next manager when the first is killed in the middle of a fence, by a power strip that speaks SNMP', async () => {
    await ha.addPdu(HA_HOSTS);
    await deviceAnswers('strip');
    // Told from the first by its command line.
    const kubeconfig = join(lab.directory, 'kubeconfig-of-the-second');
    await copyFile(lab.kubeconfig, kubeconfig);
    const second = createService({
      machine: lab.control,
      command: [process.execPath, vireo, 'manager', '--kubeconfig', kubeconfig],
      logFile: join(lab.directory, 'second-manager.log'),
    });
    const host = await hostOf(db);
    const before = await db.writing();
    await second.start();
    await until('the second manager is there', second.pid);
    const watch = watchTwice(db);
    await cutOff(host);
    await until(
      'the fence has begun',
      async () => (await ha.haOf(host))?.ha?.state === 'Fencing',
      30_000,
      20,
    );
    await lab.manager.kill();
    const tookMs = await runsElsewhere(db, host);
    process.stdout.write(`leader killed: machine elsewhere ${Math.round(tookMs)} ms later\n`);
    expect(tookMs).toBeLessThan(40_000);
    expect((await ha.haOf(host))?.ha?.proof).toMatchObject({ kind: 'PowerOff' });
    await db.writesOn(before);
    expect((await watch.ends()).twice).toEqual([]);
    await lab.mend();
    await lab.start(host);
    await isBack(host);
    // It says that it is ready when it leads.
    await second.kill();
    await lab.manager.start();
  });

  it('start it once also when a device lies: it says off, the host runs on and has killed it before', async () => {
    const host = await hostOf(db);
    const before = await db.writing();
    await lab.kubectl('delete', 'fence', 'strip');
    await ha.addIpmi(host, lyingPower(join(lab.directory, 'told-off')));
    await deviceAnswers(`${host}-bmc`);
    const watch = watchTwice(db);
    await cutOff(host);
    const tookMs = await runsElsewhere(db, host);
    process.stdout.write(`lying device: machine elsewhere ${Math.round(tookMs)} ms after the cut\n`);
    expect((await ha.haOf(host))?.ha?.proof).toMatchObject({ kind: 'PowerOff' });
    expect(await lab.host(host).isOn()).toBe(true);
    await db.writesOn(before);
    await lab.mend();
    await isBack(host);
    const { looks, twice } = await watch.ends();
    expect(looks).toBeGreaterThan(50);
    expect(twice).toEqual([]);
    expect(await db.instances()).toHaveLength(1);
    expect(await hostOf(db)).not.toBe(host);
  });

  it('have every record of the last minutes on its disk, those of one boot after those of the other', async () => {
    await lab.kubectl('patch', 'vm', 'db', '--type=merge', '-p', '{"spec":{"runStrategy":"Halted"}}');
    await until('it is off', async () => (await db.instances()).length === 0);
    expect((await writtenInOrder(await db.dataDisk())).length).toBeGreaterThan(1);
  });
});
