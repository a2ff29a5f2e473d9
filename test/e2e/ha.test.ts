/** A protected machine on three real hosts: its host falls silent and it is killed there in time; its host loses power and it runs elsewhere, once. */
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { realWorld } from '../../src/main/world/world.ts';
import type { Device } from '../lab/devices/daemon.ts';
import { IPMI_PASSWORD, IPMI_USER, openIpmi } from '../lab/devices/ipmi.ts';
import { type Guest, machineGuest, WRITER_IMAGE, writer } from '../lab/guests.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { report } from '../lab/report.ts';
import { buildWriterDisk } from '../lab/writer.ts';
import { until } from './harness/commands.ts';

const HOSTS = ['a', 'b', 'c'];
const NAME = 'vha';
const NETWORK = 221;
const images = join(tmpdir(), 'vireo-lab-images');
const shared = join(tmpdir(), 'vireo-lab-ha-shared', 'pool');

const OBJECTS = `
apiVersion: vireo.dev/v1alpha1
kind: ClusterPolicy
metadata: {name: default}
spec: {}
---
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: shared}
spec: {type: Directory, shared: true, directory: {path: ${shared}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: shared-writer}
spec: {kind: Disk, pool: shared, source: {path: {path: ${join(images, WRITER_IMAGE)}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: bmc, namespace: vireo-system}
type: vireo.dev/fence-device
stringData: {password: ${IPMI_PASSWORD}}
`;

const device = (host: string, port: number) => `
---
apiVersion: vireo.dev/v1alpha1
kind: FenceDevice
metadata: {name: ${host}-bmc}
spec:
  agent: fence_ipmilan
  parameters: {ip: 10.${NETWORK}.0.254, ipport: "${port}", username: ${IPMI_USER}, lanplus: "1", cipher: "3"}
  secretRef: {name: bmc}
  hosts: [{name: ${host}}]
`;

/** What the controller of a lab's host does: it is off when nothing runs in its namespaces. */
function power(host: string) {
  const pids = `ip netns pids ${NAME}-${host}`;
  return {
    isOn: `test -n "$(${pids})"`,
    on: 'true',
    off: `for i in 1 2 3 4 5; do p=$(${pids}); test -z "$p" && break; kill -9 $p 2>/dev/null; sleep 0.1; done`,
  };
}

type HostObject = { status?: { keeper?: { term: number; selfFencedAt?: string } } };

describe('three hosts with high availability', () => {
  let lab: Lab;
  let db: Guest;
  let plain: Guest;
  const devices: Device[] = [];

  beforeAll(async () => {
    await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
    const directory = join(tmpdir(), 'vireo-lab-ha');
    lab = openLab({ name: NAME, directory, network: NETWORK, images, shared: join(shared, '..') });
    await lab.down();
    await mkdir(shared, { recursive: true });
    await lab.up(HOSTS);
    await lab.apply(OBJECTS);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
    await until('each host has a keeper', async () => {
      const { items } = await lab.get<{ items: HostObject[] }>('vhost');
      return items.every(({ status }) => status?.keeper !== undefined);
    });
    const on = { pool: 'shared', image: 'shared-writer' };
    await lab.apply(writer('db', on).replace('spec:\n', 'spec:\n  ha: {}\n'));
    db = machineGuest(lab, 'db');
    await db.writing();
  });
  afterAll(async () => {
    await Promise.all(devices.map((one) => one.close()));
    await lab?.down();
    await rm(join(shared, '..'), { recursive: true, force: true });
  });
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm', 'vpolicy', 'vhost', 'fa'])}\n`);
    });
  });

  const keeperOf = async (host: string) => (await lab.get<HostObject>('vhost', host)).status?.keeper;
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
    await until('an outage has passed', async () => performance.now() - begun > 40_000, 60_000);
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
    for (const other of ['control', ...HOSTS.filter((name) => name !== host)]) await lab.cut(host, other);
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
    for (const [index, name] of HOSTS.entries()) {
      const at = {
        directory: join(lab.directory, `bmc-${name}`),
        address: `10.${NETWORK}.0.254`,
        port: 19_221 + index,
      };
      devices.push(await openIpmi(at, power(name)));
      await lab.apply(device(name, at.port));
    }
    const host = await hostOf(db);
    const before = await db.writing();
    const begun = performance.now();
    await lab.host(host).powerCut();
    const started = await until(
      'it runs elsewhere',
      async () => (await db.instances()).some((one) => one.host !== host) && performance.now(),
      60_000,
    );
    await db.writesOn(before);
    const wrote = performance.now();
    process.stdout.write(
      `from the power cut: process after ${Math.round(started - begun)} ms, first write after ${Math.round(wrote - begun)} ms\n`,
    );
    expect(await db.instances()).toHaveLength(1);
    expect(await hostOf(db)).not.toBe(host);
  });
});
