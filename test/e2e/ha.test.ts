/** A protected machine on three real hosts: its host falls silent and it is killed there in time; its host loses power and it runs elsewhere, once. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Availability, HA_HOSTS, openAvailability, protectedBy } from '../lab/availability.ts';
import { type Guest, machineGuest, writer } from '../lab/guests.ts';
import type { Lab } from '../lab/lab.ts';
import { report } from '../lab/report.ts';
import { lastOn } from '../lab/writer.ts';
import { until } from './harness/commands.ts';

describe('three hosts with high availability', () => {
  let ha: Availability;
  let lab: Lab;
  let db: Guest;
  let plain: Guest;

  beforeAll(async () => {
    ha = await openAvailability({ name: 'vha', network: 221, policy: '{}' });
    lab = ha.lab;
    await lab.apply(protectedBy('{}', writer('db', { pool: 'shared', image: 'shared-writer' })));
    db = machineGuest(lab, 'db');
    await db.writing();
  });
  afterAll(() => ha?.close());
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm', 'vpolicy', 'vhost', 'fa'])}\n`);
    });
  });

  const keeperOf = async (host: string) => (await ha.haOf(host))?.keeper;
  const hostOf = async (guest: Guest) => (await guest.host()) ?? '';

  it('have the machine guarded, also while the agent of its host is gone', async () => {
    const host = await hostOf(db);
    const before = await db.writing();
    await lab.host(host).agent.kill();
    const begun = performance.now();
    // Longer than the deadline of a host that is not heard.
    await until('time passes', async () => performance.now() - begun > 16_000);
    expect(await db.instances()).toMatchObject([{ host }]);
    await db.writesOn(before);
    await lab.host(host).agent.start();
  });

  it('stop nothing while the API server is away: the hosts ask each other', async () => {
    const host = await hostOf(db);
    const before = await db.writing();
    const { term } = (await keeperOf(host)) ?? {};
    // Voters excuse others once they are known to have been away for long enough themselves.
    await lab.apiserver.kill();
    const begun = performance.now();
    await until('an outage has passed', async () => performance.now() - begun > 60_000, 90_000);
    await db.writesOn(before);
    await lab.apiserver.start();
    await until('the host is heard again', async () => (await keeperOf(host))?.term === term, 60_000);
    expect(await hostOf(db)).toBe(host);
    expect((await keeperOf(host))?.selfFencedAt).toBeUndefined();
    expect(await lab.kubectl('get', 'fenceactions.vireo.dev', '-o', 'name')).toBe('');
  });

  it('kill it when its host can be heard by nobody, and nothing else there', async () => {
    const host = await hostOf(db);
    await lab.apply(writer('plain', { pool: 'shared', image: 'shared-writer', host }));
    plain = machineGuest(lab, 'plain');
    await plain.writing();
    const begun = performance.now();
    for (const other of ['control', ...HA_HOSTS.filter((name) => name !== host)]) await lab.cut(host, other);
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
  });

  it('start it elsewhere, once, when its host loses its power', async () => {
    for (const name of HA_HOSTS) await ha.addIpmi(name);
    const host = await hostOf(db);
    const before = await db.writing();
    const begun = performance.now();
    const disk = await db.dataDisk();
    await lab.host(host).powerCut();
    const started = await until(
      'it runs elsewhere',
      async () => (await db.instances()).some((one) => one.host !== host) && performance.now(),
      60_000,
    );
    await until('it writes', async () => (await lastOn(disk))?.boot !== before.boot);
    const wrote = performance.now();
    await db.writesOn(before);
    process.stdout.write(
      `from the power cut: process after ${Math.round(started - begun)} ms, first write after ${Math.round(wrote - begun)} ms\n`,
    );
    expect(await db.instances()).toHaveLength(1);
    expect(await hostOf(db)).not.toBe(host);
  });
});
