/** Real fence agents against devices that speak the real protocols: a management controller by IPMI, a power strip and a switch by SNMP. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { createFenceAgents } from '../../../src/drivers/fence/agents/driver.ts';
import type { FenceTarget } from '../../../src/drivers/fence/contract.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { fenceSuite } from '../../contract/fence/suite.ts';
import type { Device, PowerCommands } from '../../lab/devices/daemon.ts';
import { within } from '../../lab/devices/daemon.ts';
import { IPMI_PASSWORD, IPMI_USER, openIpmi } from '../../lab/devices/ipmi.ts';
import { openManagedSwitch, SWITCH_COMMUNITY } from '../../lab/devices/managed-switch.ts';
import { openPdu, PDU_COMMUNITY } from '../../lab/devices/pdu.ts';
import { must, run } from '../harness/commands.ts';

const world = { ...realWorld(), log: silentLog };
const driver = createFenceAgents({ world });
const LOOPBACK = '127.0.0.1';
const NOBODY = '19999';

/** A machine that is on as long as a file is there. */
function machineOf(file: string) {
  const commands: PowerCommands = { isOn: `test -e ${file}`, on: `touch ${file}`, off: `rm -f ${file}` };
  return {
    commands,
    isOn: async () => (await run(['test', '-e', file])).code === 0,
    turnOn: () => writeFile(file, ''),
  };
}

const directories: string[] = [];
const newDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-device-'));
  directories.push(directory);
  return directory;
};
afterAll(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true }))));

fenceSuite('IPMI', async () => {
  const directory = await newDirectory();
  const machine = machineOf(join(directory, 'on'));
  await machine.turnOn();
  const device = await openIpmi({ directory, address: LOOPBACK, port: 19001 }, machine.commands);
  const target: FenceTarget = {
    agent: 'fence_ipmilan',
    parameters: { ip: LOOPBACK, ipport: String(device.port), username: IPMI_USER, lanplus: '1', cipher: '3' },
    secrets: { password: IPMI_PASSWORD },
  };
  return {
    driver,
    target,
    stranger: { ...target, secrets: { password: 'guess-again' } },
    absent: { ...target, parameters: { ...target.parameters, ipport: NOBODY } },
    isOn: machine.isOn,
    remove: device.close,
  };
});

fenceSuite('power strip by SNMP', async () => {
  const directory = await newDirectory();
  const machine = machineOf(join(directory, 'on'));
  await machine.turnOn();
  const outlets = new Map([[3, machine.commands]]);
  const device = await openPdu({ directory, address: LOOPBACK, port: 19161 }, outlets);
  const target: FenceTarget = {
    agent: 'fence_apc_snmp',
    parameters: { ip: LOOPBACK, ipport: String(device.port), snmp_version: '2c' },
    secrets: { community: PDU_COMMUNITY },
    plug: '3',
  };
  return {
    driver,
    target,
    stranger: { ...target, secrets: { community: 'guess-again' } },
    absent: { ...target, parameters: { ...target.parameters, ipport: NOBODY } },
    isOn: machine.isOn,
    remove: device.close,
  };
});

describe('a switch', () => {
  const namespace = 'vfence-sw';
  const ADDRESS = '10.215.0.1';
  let device: Device;
  let target: FenceTarget;
  /** The switch lives in its namespace: so does whoever speaks to it. */
  const inside = createFenceAgents({
    world: {
      ...world,
      processes: {
        ...world.processes,
        pipe: (argv, options) => world.processes.pipe(within(namespace, argv), options),
      },
    },
  });
  const PATIENCE = { timeoutMs: 20_000, signal: new AbortController().signal };
  const ip = (...args: string[]) => must(['ip', '-n', namespace, ...args]);
  const portIsUp = async () => / state UP /.test(await ip('link', 'show', 'pB'));

  beforeAll(async () => {
    await run(['ip', 'netns', 'delete', namespace]);
    await must(['ip', 'netns', 'add', namespace]);
    await ip('link', 'set', 'lo', 'up');
    await ip('link', 'add', 'br0', 'type', 'bridge');
    await ip('addr', 'add', `${ADDRESS}/24`, 'dev', 'br0');
    await ip('link', 'add', 'pB', 'type', 'veth', 'peer', 'name', 'farB');
    for (const name of ['br0', 'pB', 'farB']) await ip('link', 'set', name, 'up');
    const directory = await newDirectory();
    device = await openManagedSwitch({ directory, address: ADDRESS, port: 161, namespace });
    target = {
      agent: 'fence_ifmib',
      parameters: { ip: ADDRESS, snmp_version: '2c' },
      secrets: { community: SWITCH_COMMUNITY },
      plug: 'pB',
    };
  });
  afterAll(async () => {
    await device?.close();
    await run(['ip', 'netns', 'delete', namespace]);
  });

  it('takes a port down for real, says Off, and lets it up again', async () => {
    expect(await inside.status(target, PATIENCE)).toBe('On');
    await inside.off(target, PATIENCE);
    expect(await portIsUp()).toBe(false);
    expect(await inside.status(target, PATIENCE)).toBe('Off');
    await inside.on(target, PATIENCE);
    expect(await portIsUp()).toBe(true);
  });

  it('is known to cut no power: what hangs on the port runs on', async () => {
    expect((await inside.describe('fence_ifmib')).reach).toBe('Fabric');
    expect((await driver.describe('fence_ipmilan')).reach).toBe('Power');
    expect((await driver.describe('fence_apc_snmp')).reach).toBe('Power');
  });
});

describe('the agents of this machine', () => {
  it('can all be described, but for the one that asks a person', async () => {
    const unreadable: string[] = [];
    for (const agent of await driver.agents()) {
      const facts = await driver.describe(agent).catch(() => undefined);
      if (facts === undefined || facts.parameters.length === 0) unreadable.push(agent);
    }
    expect(unreadable).toEqual(['fence_ack_manual']);
  });
});
