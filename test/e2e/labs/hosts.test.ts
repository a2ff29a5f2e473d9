/** Three real hosts under one control plane: guests spread over them, and what happens to the others when one loses its power, agent or link. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { container, foundations, type Guest, machineGuest, WRITER_IMAGE, writer } from '../../lab/guests.ts';
import { type Lab, openLab } from '../../lab/lab.ts';
import { remainsOf } from '../../lab/remains.ts';
import { natTraces, type Traces, traces } from '../../lab/traces.ts';
import { buildWriterDisk, verifyDisk } from '../../lab/writer.ts';
import { until, vireo } from '../harness/commands.ts';

type ContainerStatus = { placement: { host: string }; networks: { addresses?: string[] }[] };

const HOSTS = ['a', 'b', 'c'];
const images = join(tmpdir(), 'vireo-lab-images');
const place = { name: 'vtest', directory: join(tmpdir(), 'vireo-lab-test'), network: 212, images };

describe('three hosts', () => {
  let lab: Lab;
  let empty: Traces[];
  let guests: Guest[];

  beforeAll(async () => {
    await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
    lab = openLab(place);
    await lab.down();
    await lab.up(HOSTS);
    empty = await leftBehind();
    guests = HOSTS.map((name) => machineGuest(lab, `writer-${name}`));
  });

  afterAll(() => lab?.down());

  const leftBehind = () => Promise.all(HOSTS.map((name) => traces(lab.host(name))));
  const guestOn = (host: string): Guest => {
    const guest = guests[HOSTS.indexOf(host)];
    if (guest === undefined) throw new Error(`there is no host ${host}`);
    return guest;
  };
  const hostReady = async (name: string) => {
    const { status } = await lab.get<{ status: { state: string; bootID: string } }>('vhost', name);
    return status;
  };
  const untilState = (name: string, state: string) =>
    until(`host ${name} is ${state}`, async () => (await hostReady(name)).state === state);
  const allReady = () => lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'vm,ct', '--all');

  it('are Online, each with machine id and boot id of its own', async () => {
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'vhost', '--all');
    const { items } = await lab.get<{ items: { status: { bootID: string; machineID: string } }[] }>('vhost');
    expect(new Set(items.map(({ status }) => status.bootID)).size).toBe(3);
    expect(new Set(items.map(({ status }) => status.machineID)).size).toBe(3);
  });

  it('run a machine each where it was asked for, and share out containers among them', async () => {
    await lab.apply(foundations(images));
    type Fit = { status: { pools?: { healthy: boolean }[] } };
    await until('each host has its pools', async () =>
      (await lab.get<{ items: Fit[] }>('vhost')).items.every(
        ({ status }) =>
          (status.pools ?? []).length > 0 && status.pools?.every(({ healthy }) => healthy) === true,
      ),
    );
    await lab.apply(
      HOSTS.map((host) => writer(`writer-${host}`, { host })).join('') +
        HOSTS.map((host) => container(`web-${host}`)).join(''),
    );
    await allReady();
    expect(await Promise.all(guests.map((guest) => guest.host()))).toEqual(HOSTS);
    for (const guest of guests) await guest.writing();
    const containers = async () => (await lab.get<{ items: { status: ContainerStatus }[] }>('ct')).items;
    expect((await containers()).map(({ status }) => status.placement.host).sort()).toEqual(HOSTS);
    await until('the NAT network of each host has given an address', async () =>
      (await containers()).every(({ status }) => status.networks[0]?.addresses?.[0] !== undefined),
    );
  });

  it('lose one: it goes Offline, and the guests of the others do not notice', async () => {
    const written = await Promise.all([guestOn('a').writing(), guestOn('c').writing()]);
    const boot = await lab.host('b').bootId();
    await lab.host('b').powerCut();
    await untilState('b', 'Offline');
    for (const [index, host] of ['a', 'c'].entries()) {
      const wrote = written[index];
      if (wrote === undefined) throw new Error('nothing was written');
      expect(await guestOn(host).writesOn(wrote)).toMatchObject({ boot: wrote.boot });
      expect(await hostReady(host)).toMatchObject({ state: 'Online' });
    }
    expect(await guestOn('b').instances()).toEqual([]);
    expect(await guestOn('b').host()).toBe('b');

    await lab.start('b');
    await untilState('b', 'Online');
    expect((await hostReady('b')).bootID).not.toBe(boot);
  });

  it('start the guests of the one that is back, once, and no write was lost', async () => {
    await allReady();
    const after = await guestOn('b').writing();
    expect(await guestOn('b').instances()).toHaveLength(1);
    expect(after.number).toBeGreaterThan(1);
  });

  it('lose an agent: its guests run on and are found again', async () => {
    const wrote = await guestOn('a').writing();
    const [instance] = await guestOn('a').instances();
    await lab.host('a').agent.kill();
    await guestOn('a').writesOn(wrote);
    await lab.host('a').agent.start();
    await allReady();
    expect(await guestOn('a').instances()).toEqual([instance]);
    expect(await guestOn('a').writing()).toMatchObject({ boot: wrote.boot });
  });

  it('lose the API server for half a minute: no guest is touched', async () => {
    const wrote = await Promise.all(guests.map((guest) => guest.writing()));
    const running = await Promise.all(guests.map((guest) => guest.instances()));
    const since = Date.now();
    await lab.apiserver.kill();
    await until('half a minute has passed', async () => Date.now() - since > 30_000, 40_000, 1_000);
    await lab.apiserver.start();
    await Promise.all(HOSTS.map((name) => untilState(name, 'Online')));
    await allReady();
    expect(await Promise.all(guests.map((guest) => guest.instances()))).toEqual(running);
    for (const [index, guest] of guests.entries()) {
      expect(await guest.writing()).toMatchObject({ boot: wrote[index]?.boot });
    }
  });

  it('lose the way to the control plane in one direction: Offline, guests run on, and Online again', async () => {
    const wrote = await guestOn('c').writing();
    const [instance] = await guestOn('c').instances();
    await lab.cut('c', 'control', 'OneWay');
    await untilState('c', 'Offline');
    await guestOn('c').writesOn(wrote);
    await lab.mend();
    await untilState('c', 'Online');
    await allReady();
    expect(await guestOn('c').instances()).toEqual([instance]);
  });

  it('are as empty as before when all guests have been deleted', async () => {
    const stopped = guestOn('b');
    await lab.kubectl('patch', stopped.name, '--type=merge', '-p', '{"spec":{"runStrategy":"Halted"}}');
    await until('the writer is off', async () => (await stopped.instances()).length === 0);
    expect((await verifyDisk(await stopped.dataDisk())).number).toBeGreaterThan(1);
    await lab.kubectl('delete', '--timeout=60s', 'vm,ct', '--all');
    await lab.kubectl('delete', '--timeout=60s', 'img,pool', '--all');
    // Files of large things are removed after their objects.
    await expect.poll(leftBehind, { timeout: 20_000, interval: 500 }).toEqual(empty);
    for (const host of HOSTS.map(lab.host)) {
      await host.agent.stop();
      await host.run(process.execPath, vireo, 'down', '--data-dir', host.disk, '--yes');
      expect(await traces(host)).toMatchObject({ controlGroups: [], processes: [] });
      expect(await natTraces(host)).toEqual([]);
    }
    await lab.down();
    expect(await remainsOf(place)).toEqual([]);
  });
});
