/**
 * Freezes through the real channel of a machine, whose agent here is a few lines of shell in the guest: it says on the console what it hears, and
 * hangs in the second freeze as one does whose disk does not answer. What it answers waits in the channel until somebody listens.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuestHandle, MachineRequest } from '../../src/drivers/hypervisor/contract.ts';
import type { QemuDriver } from '../../src/drivers/hypervisor/qemu/driver.ts';
import { buildDemoDisk } from '../../src/drivers/image/demo-disk.ts';
import { createQemuLab, type QemuLab } from '../contract/hypervisor/qemuLab.ts';
import { agentService } from '../lab/agent.ts';
import { until } from './harness/commands.ts';

/** It hangs so long, seconds. */
const HANGS = 12;
/** An emulated machine on a busy host needs its time. */
const LONG_MS = 150_000;

let lab: QemuLab;
let driver: QemuDriver;
let guest: GuestHandle;
let heard = '';

/** What the agent in the guest has said, in its order. */
const said = () => [...heard.matchAll(/AGENT (\w+)/g)].map(([, word]) => word);
const freeze = (timeoutMs: number) => driver.snapshots?.freeze(guest, { timeoutMs });

beforeAll(async () => {
  lab = await createQemuLab();
  driver = lab.driver();
  guest = lab.guest('agent');
  const output = join(lab.directory, 'agent.qcow2');
  const workDirectory = join(lab.directory, 'build');
  await mkdir(workDirectory);
  await buildDemoDisk(lab.world, {
    ...{
      workDirectory,
      output,
      cacheDirectory: join(workDirectory, 'cache'),
      service: agentService({ hangs: HANGS }),
    },
    ...{ signal: AbortSignal.timeout(240_000), progress: () => {} },
  });
  const [disk] = lab.request.disks;
  if (disk === undefined) throw new Error('the lab has a disk');
  const request: MachineRequest = {
    ...lab.request,
    guestAgent: true,
    memoryBytes: 96 * 1024 ** 2,
    disks: [{ ...disk, sizeBytes: 64 * 1024 ** 2, volume: { type: 'File', path: output, format: 'qcow2' } }],
  };
  const hardware = driver.resolve(request, undefined, await driver.facts());
  await driver.start(guest, request, hardware, async () => {});
  const stream = await lab.world.sockets.connectUnix(driver.sockets(guest).serial);
  stream.on('data', (data) => {
    heard += String(data);
  });
  stream.on('error', () => {});
  await until(
    'its agent is there',
    async () => {
      const seen = await driver.observe(guest);
      return seen.state === 'Running' && seen.agentConnected === true;
    },
    LONG_MS,
  );
}, 300_000);
afterAll(() => lab?.close());

describe('the agent in a machine', () => {
  it('freezes when it is asked to, and thaws', async () => {
    expect(await freeze(60_000)).toBe(true);
    await driver.snapshots?.thaw(guest);
    await until('it is heard', async () => said().length === 2);
    expect(said()).toEqual(['frozen', 'thawed']);
  });

  it(
    'that hangs is not waited for, and thaws when it is asked again after it went on',
    async () => {
      const began = performance.now();
      expect(await freeze(5_000)).toBe(false);
      expect(performance.now() - began).toBeLessThan(1_000 * HANGS);
      const thaw = async () => {
        await driver.snapshots?.thaw(guest);
        return true;
      };
      await until('it is thawed', thaw, LONG_MS);
      expect(said().slice(2, 5)).toEqual(['hangs', 'frozen', 'thawed']);
      expect(await freeze(60_000)).toBe(true);
      await thaw();
    },
    2 * LONG_MS,
  );
});
