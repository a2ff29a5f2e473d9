/**
 * Three real hosts whose first process is systemd, with the agent as its unit: systemd starts it again, and shuts hosts down and restarts them,
 * with a protected machine on them that runs elsewhere, waits or moves, as the policy says.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Availability, openAvailability, runsElsewhere, watchTwice } from '../lab/availability.ts';
import type { Guest } from '../lab/guests.ts';
import type { Lab } from '../lab/lab.ts';
import { report } from '../lab/report.ts';
import { until } from './harness/commands.ts';

describe('three hosts with high availability and systemd', () => {
  let ha: Availability;
  let lab: Lab;
  let db: Guest;

  beforeAll(async () => {
    ha = await openAvailability({ name: 'vhd', network: 223, policy: '{}', systemd: true });
    lab = ha.lab;
    db = await ha.addMachine('db');
  });
  afterAll(() => ha?.close());
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm', 'vpolicy', 'vhost', 'fa'])}\n`);
    });
  });

  const hostOf = async (guest: Guest) => (await guest.host()) ?? '';
  /** Begins; what systemd says of it is not waited for. */
  const systemctl = (host: string, what: 'poweroff' | 'reboot') => lab.host(host).run('systemctl', what);
  const isOff = (host: string) => until(`${host} is off`, async () => !(await lab.host(host).isOn()), 90_000);
  const shutdownPolicy = (host: string, policy: string) =>
    lab.kubectl('patch', 'vhost', host, '--type=merge', '-p', `{"spec":{"shutdownPolicy":${policy}}}`);
  const isBack = (host: string) =>
    until(`${host} is online again`, async () => (await ha.haOf(host))?.ha?.state === 'Online', 90_000);
  const fences = () => lab.kubectl('get', 'fenceactions.vireo.dev', '-o', 'name');

  it('have an agent that has crashed or is restarted begin anew, and the machine runs on', async () => {
    const { agent, run } = lab.host(await hostOf(db));
    const before = await db.writing();
    const starts = async () => (await agent.log()).split('ready agent').length - 1;
    await until('it is ready', async () => (await starts()) === 1);
    await agent.kill();
    await until('systemd has started it again', async () => (await starts()) === 2);
    await run('systemctl', 'restart', 'vireo-agent');
    await until('it has been restarted', async () => (await starts()) === 3);
    expect((await db.writesOn(before)).boot).toBe(before.boot);
    expect(await db.instances()).toHaveLength(1);
  });

  it('shut it down with its host and start it elsewhere, with no fence and no write lost', async () => {
    const host = await hostOf(db);
    const before = await db.writing();
    const watching = watchTwice(db);
    await systemctl(host, 'poweroff');
    const ms = await runsElsewhere(db, host);
    await isOff(host);
    process.stdout.write(`elsewhere after ${Math.round(ms)} ms once its host was shut down\n`);
    const after = await db.writing();
    expect(after.number).toBeGreaterThan(before.number);
    expect(after.boot).not.toBe(before.boot);
    expect((await watching.ends()).twice).toEqual([]);
    expect((await ha.haOf(host))?.ha?.proof?.kind).toBe('OrderlyStop');
    expect(await fences()).toBe('');
    await lab.start(host);
    await isBack(host);
  });

  it('have it wait for a host that is restarted, and start there', async () => {
    const host = await hostOf(db);
    const before = await db.writing();
    await systemctl(host, 'reboot');
    await isOff(host);
    await until('it is frozen', async () => (await db.status()).ha?.state === 'Frozen');
    expect(await db.instances()).toEqual([]);
    await lab.start(host);
    await isBack(host);
    expect((await db.writing()).number).toBeGreaterThan(before.number);
    expect(await db.instances()).toMatchObject([{ host }]);
    expect(await fences()).toBe('');
  });

  it('start it elsewhere when its host is restarted and says so in its own policy', async () => {
    const host = await hostOf(db);
    const before = await db.writing();
    const watching = watchTwice(db);
    await shutdownPolicy(host, '"Failover"');
    await systemctl(host, 'reboot');
    const ms = await runsElsewhere(db, host);
    await isOff(host);
    process.stdout.write(`elsewhere after ${Math.round(ms)} ms once its host was restarted\n`);
    // Its host may be back sooner: `rebootGrace`, also where guests have waited for one before.
    expect(ms).toBeGreaterThan(10_000);
    const after = await db.writing();
    expect(after.number).toBeGreaterThan(before.number);
    expect(after.boot).not.toBe(before.boot);
    expect((await watching.ends()).twice).toEqual([]);
    await lab.start(host);
    await isBack(host);
    await shutdownPolicy(host, 'null');
  });

  it('move it away, running, before its host goes down where that is the policy, and back', async () => {
    const host = await hostOf(db);
    const before = await db.writing();
    await shutdownPolicy(host, '"Migrate"');
    await systemctl(host, 'poweroff');
    await isOff(host);
    expect(await db.instances()).toMatchObject([{ host: expect.not.stringMatching(`^${host}$`) }]);
    const after = await db.writesOn(before);
    expect(after.boot).toBe(before.boot);
    await until('its host is known to have ended in order', async () => {
      return (await ha.haOf(host))?.ha?.proof?.kind === 'OrderlyStop';
    });
    expect(await fences()).toBe('');
    await lab.start(host);
    await until('it is back', async () => (await hostOf(db)) === host, 120_000);
    expect((await db.writesOn(after)).boot).toBe(before.boot);
    await shutdownPolicy(host, 'null');
  });
});
