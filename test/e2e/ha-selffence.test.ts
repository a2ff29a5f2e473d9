/** A host without a device that cuts its power is cut off: its keeper kills what it guards, and after the wait it runs elsewhere, once. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Availability,
  HA_HOSTS,
  openAvailability,
  protectedBy,
  watchTwice,
} from '../lab/availability.ts';
import { type Box, box } from '../lab/containers.ts';
import { container, type Guest, machineGuest, writer } from '../lab/guests.ts';
import { report } from '../lab/report.ts';
import { writtenInOrder } from '../lab/writer.ts';
import { until } from './harness/commands.ts';

/** The hosts of a lab have no watchdog, and their machine is perhaps a virtual one. */
const POLICY = '{selfFenceWithoutWatchdog: Allow, selfFenceOfPausableHosts: GuestsMayRunTwice}';

describe('three hosts without power devices', () => {
  let ha: Availability;
  let db: Guest;
  let web: Box;

  beforeAll(async () => {
    ha = await openAvailability({ name: 'vhs', network: 222, policy: POLICY });
    const { lab } = ha;
    const on = { pool: 'shared', image: 'shared-writer' };
    await lab.apply(protectedBy('{}', writer('db', { ...on, host: 'a' })));
    await lab.apply(protectedBy('{}', container('web', { pool: 'shared', host: 'a' })));
    [db, web] = [machineGuest(lab, 'db'), box(lab, 'web')];
    await db.writing();
    await web.settles();
    // Placed on a host for good they would wait for it.
    await lab.apply(protectedBy('{}', writer('db', on)));
    await lab.apply(protectedBy('{}', container('web', { pool: 'shared' })));
  });
  afterAll(() => ha?.close());
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(ha.lab, ['vm', 'ct', 'vpolicy', 'vhost', 'fa', 'fence'])}\n`);
    });
  });

  it('start machine and container elsewhere within 25 s after a switch port went down, and never twice', async () => {
    const { lab } = ha;
    const host = (await db.host()) ?? '';
    const ports = await ha.addSwitch(HA_HOSTS);
    await lab.kubectl(
      'patch',
      'vhost',
      host,
      '--type=merge',
      '-p',
      '{"spec":{"fencing":{"levels":[{"devices":["ports"]}]}}}',
    );
    const before = await db.writing();
    const watch = watchTwice(db);
    await ports.unplug(host);
    const begun = performance.now();
    // With the proof the port is opened again: the host may be back, and its proof gone, before the guests are looked at.
    const proof = until('its end is proven', async () => (await ha.haOf(host))?.ha?.proof, 60_000, 500);
    const elsewhere = async (found: Promise<readonly string[]>) =>
      (await found).some((name) => name !== host) && performance.now();
    const machine = await until(
      'the machine runs elsewhere',
      () => elsewhere(db.instances().then((all) => all.map((one) => one.host))),
      60_000,
    );
    const boxed = await until('the container runs elsewhere', () => elsewhere(web.runsOn()), 60_000);
    process.stdout.write(
      `self-fence: machine elsewhere ${Math.round(machine - begun)} ms after the cut, container ${Math.round(boxed - begun)} ms\n`,
    );
    expect(machine - begun).toBeLessThan(25_000);
    expect(boxed - begun).toBeLessThan(27_000);
    expect(await proof).toMatchObject({ kind: 'SelfFence' });
    await db.writesOn(before);
    const { looks, twice } = await watch.ends();
    expect(looks).toBeGreaterThan(50);
    expect(twice).toEqual([]);
    expect(await db.instances()).toHaveLength(1);
    expect(await web.runsOn()).toHaveLength(1);
  });

  it('have every record of the machine on its disk, those of one boot after those of the other', async () => {
    const { lab } = ha;
    await lab.kubectl('patch', 'vm', 'db', '--type=merge', '-p', '{"spec":{"runStrategy":"Halted"}}');
    await until('it is off', async () => (await db.instances()).length === 0);
    expect(await writtenInOrder(await db.dataDisk())).toHaveLength(2);
  });

  it('took the word of the switch port for no proof', async () => {
    type Action = { spec: { method: string }; status?: { phase?: string; poweredOnAt?: string } };
    const { items } = await ha.lab.get<{ items: Action[] }>('fa');
    const [asked, cut] = ['PowerOff', 'Disconnect'].map((method) =>
      items.filter(({ spec }) => spec.method === method),
    );
    expect(asked).not.toEqual([]);
    for (const { status } of asked ?? []) expect(status?.phase).toBe('Failed');
    // It was down already when the manager had it shut, which opens it again after the proof.
    expect(cut).toMatchObject([{ status: { phase: 'Disconnected', poweredOnAt: expect.any(String) } }]);
  });
});
