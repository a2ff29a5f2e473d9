/** Devices that cut a lost host off, well or badly, while the manager that told them to is killed: the guest runs elsewhere, and never twice. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Availability,
  HA_HOSTS,
  lyingPower,
  openAvailability,
  protectedBy,
  watchTwice,
} from '../lab/availability.ts';
import { type Guest, machineGuest, writer } from '../lab/guests.ts';
import { report } from '../lab/report.ts';
import { createService, type Service } from '../lab/service.ts';
import { until, vireo } from './harness/commands.ts';

const NAME = 'vhd';

describe('three hosts with devices', () => {
  let ha: Availability;
  let db: Guest;
  let second: Service;

  beforeAll(async () => {
    ha = await openAvailability({ name: NAME, network: 223, policy: '{}' });
    const { lab } = ha;
    await lab.apply(protectedBy('{}', writer('db', { pool: 'shared', image: 'shared-writer' })));
    db = machineGuest(lab, 'db');
    await db.writing();
    await ha.addPdu(HA_HOSTS);
    await until(
      'the strip has answered for all',
      async () =>
        (await lab.kubectl(
          'get',
          'fence/strip',
          '-o',
          'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
        )) === 'True',
    );
    // Told from the first by its command line.
    const kubeconfig = join(lab.directory, 'kubeconfig-of-the-second');
    await copyFile(lab.kubeconfig, kubeconfig);
    second = createService({
      machine: lab.control,
      command: [process.execPath, vireo, 'manager', '--kubeconfig', kubeconfig],
      logFile: join(lab.directory, 'second-manager.log'),
    });
  });
  afterAll(() => ha?.close());
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(ha.lab, ['vm', 'vpolicy', 'vhost', 'fa', 'fence'])}\n`);
    });
  });

  /** Waits until it runs elsewhere than on `host`, and gives how long that took. */
  async function runsElsewhere(host: string): Promise<number> {
    const begun = performance.now();
    return until(
      'the machine runs elsewhere',
      async () => (await db.instances()).some((one) => one.host !== host) && performance.now() - begun,
      90_000,
    );
  }
  async function isBack(host: string): Promise<void> {
    await until(`${host} is online again`, async () => (await ha.haOf(host))?.ha?.state === 'Online', 90_000);
  }

  it('that is a power strip by SNMP proves a host off whose power is gone', async () => {
    const { lab } = ha;
    const host = (await db.host()) ?? '';
    const before = await db.writing();
    await lab.host(host).powerCut();
    const tookMs = await runsElsewhere(host);
    process.stdout.write(`power strip: machine elsewhere ${Math.round(tookMs)} ms after the cut\n`);
    expect(tookMs).toBeLessThan(15_000);
    expect((await ha.haOf(host))?.ha?.proof).toMatchObject({ kind: 'PowerOff' });
    await db.writesOn(before);
    expect(await db.instances()).toHaveLength(1);
    await lab.start(host);
    await isBack(host);
  });

  it('whose manager is killed in the middle of a fence are told by the next', async () => {
    const { lab } = ha;
    const host = (await db.host()) ?? '';
    const before = await db.writing();
    await second.start();
    await until('the second manager is there', second.pid);
    const watch = watchTwice(db);
    for (const other of ['control', ...HA_HOSTS.filter((name) => name !== host)]) await lab.cut(host, other);
    await until(
      'the fence has begun',
      async () => (await ha.haOf(host))?.ha?.state === 'Fencing',
      30_000,
      20,
    );
    await lab.manager.kill();
    const tookMs = await runsElsewhere(host);
    process.stdout.write(`leader killed: machine elsewhere ${Math.round(tookMs)} ms later\n`);
    expect(tookMs).toBeLessThan(40_000);
    await db.writesOn(before);
    expect((await watch.ends()).twice).toEqual([]);
    await lab.mend();
    await lab.start(host);
    await isBack(host);
    // It says that it is ready when it leads.
    await second.kill();
    await lab.manager.start();
  });

  it('one of which lies: it says off, the host runs on and has killed its guest before', async () => {
    const { lab } = ha;
    const host = (await db.host()) ?? '';
    const before = await db.writing();
    const lie = join(lab.directory, 'told-off');
    await lab.kubectl('delete', 'fence', 'strip');
    await ha.addIpmi(host, lyingPower(lie));
    const bmc = `fence/${host}-bmc`;
    await until(
      'the controller has answered',
      async () =>
        (await lab.kubectl('get', bmc, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')) ===
        'True',
    );
    const watch = watchTwice(db);
    for (const other of ['control', ...HA_HOSTS.filter((name) => name !== host)]) await lab.cut(host, other);
    const tookMs = await runsElsewhere(host);
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
    expect(await db.host()).not.toBe(host);
  });
});
