import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Processes } from '../../../../src/base/processes.ts';
import type { WatchdogChoice } from '../../../../src/keeper/watchdog.ts';
import { watchdogDevice } from '../../../../src/main/keeper/watchdog.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const WISH = { asked: 5_000, least: 4_000, most: 12_750 };
const SOFTDOG = { nowayout: '0', timeout: '60', state: 'inactive' };
const roots: string[] = [];

afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true });
});

/** Files as /dev and /sys/class/watchdog have them, and the two programs that change them. */
async function kernel({ softdog = false, flags = 'KEEPALIVEPING\nMAGICCLOSE\nSETTIMEOUT\n' } = {}) {
  const root = await mkdtemp(join(tmpdir(), 'vireo-watchdog-'));
  roots.push(root);
  const [devices, facts] = [join(root, 'dev'), join(root, 'sys')];
  await mkdir(devices);
  await mkdir(facts);
  const ran: string[] = [];
  const plug = async (name: string, given: Partial<typeof SOFTDOG> = {}) => {
    await mkdir(join(facts, name));
    for (const [what, value] of Object.entries({ ...SOFTDOG, ...given }))
      await writeFile(join(facts, name, what), `${value}\n`);
    await writeFile(join(devices, name), '');
  };
  const run: Processes['run'] = async (argv) => {
    ran.push(argv.join(' ').replace(devices, '/dev'));
    const [program, , seconds = '', device = ''] = argv;
    if (program === 'modprobe' && !softdog) return { code: 1, stdout: '', stderr: 'not found' } as never;
    if (argv.includes('--flags-only')) return { code: 0, stdout: flags, stderr: '' } as never;
    if (program === 'modprobe') await plug('watchdog0', { timeout: '5' });
    else await writeFile(join(facts, device.split('/').at(-1) ?? '', 'timeout'), `${seconds}\n`);
    return { code: 0, stdout: '', stderr: '' } as never;
  };
  const { files, processes } = realWorld();
  const world = { files, processes: { ...processes, run } };
  return {
    plug,
    ran,
    facts,
    devices,
    device: (choice: Exclude<WatchdogChoice, 'None'> = 'Auto') =>
      watchdogDevice(world, choice, { devices, facts }),
    written: (name: string) => readFile(join(devices, name), 'utf8'),
  };
}

describe('a watchdog device of the kernel', () => {
  it('is told the timeout before it is opened, fed by writes, and disarmed by V', async () => {
    const host = await kernel();
    await host.plug('watchdog0');
    const device = host.device();
    expect(await device.prepare(WISH)).toBe(5_000);
    expect(host.ran.at(-1)).toBe('wdctl --settimeout 5 /dev/watchdog0');
    expect(device.start()).toBe(5_000);
    device.feed();
    device.feed();
    device.stop();
    expect(await host.written('watchdog0')).toBe('\0\0V');
  });

  it('that runs on after its keeper is taken over with the timeout it has: to set it would stop it', async () => {
    const host = await kernel();
    await host.plug('watchdog0');
    await host.plug('watchdog1', { state: 'active', timeout: '9' });
    const ofTheOther = () => host.ran.filter((command) => command.includes('watchdog1'));
    const device = host.device();
    await device.prepare(WISH);
    expect(device.start()).toBe(9_000);
    device.feed();
    expect(await host.written('watchdog1')).toBe('\0');
    expect(ofTheOther()).toEqual([]);
    device.stop();
  });

  it('is softdog where there is none', async () => {
    const host = await kernel({ softdog: true });
    const device = host.device();
    expect(await device.prepare(WISH)).toBe(5_000);
    expect(host.ran[0]).toBe('modprobe softdog soft_margin=5 nowayout=0');
  });

  it('is none where softdog cannot be loaded, which is not tried again', async () => {
    const host = await kernel();
    const device = host.device();
    await expect(device.prepare(WISH)).rejects.toThrow('softdog');
    await expect(device.prepare(WISH)).rejects.toThrow('no watchdog device');
    expect(host.ran).toHaveLength(1);
  });

  it('that its holder cannot stop is not used, and not touched', async () => {
    const host = await kernel();
    await host.plug('watchdog0', { nowayout: '1' });
    await expect(host.device().prepare(WISH)).rejects.toThrow('nowayout=0');
    expect(host.ran).toEqual([]);
  });

  it('that stops with its holder is not used', async () => {
    const host = await kernel({ flags: 'KEEPALIVEPING\nSETTIMEOUT\n' });
    await host.plug('watchdog0');
    await expect(host.device().prepare(WISH)).rejects.toThrow('magic close');
  });

  it('is opened once to learn what it can, not at each look', async () => {
    const host = await kernel();
    await host.plug('watchdog0');
    const device = host.device();
    await device.prepare(WISH);
    await device.prepare(WISH);
    expect(host.ran).toHaveLength(2);
  });

  it('that does not take the timeout is not used', async () => {
    const host = await kernel();
    await host.plug('watchdog0', { timeout: '5' });
    await expect(host.device().prepare({ ...WISH, asked: 5_000, least: 5_500 })).rejects.toThrow('5000 ms');
  });

  it('is the one the owner of the host names', async () => {
    const host = await kernel();
    await host.plug('watchdog0');
    await host.plug('watchdog1');
    const device = host.device('watchdog1');
    await device.prepare(WISH);
    device.start();
    device.stop();
    expect(await host.written('watchdog0')).toBe('');
    expect(await host.written('watchdog1')).toBe('V');
  });

  it('that cannot be opened says which and why', async () => {
    const host = await kernel();
    await host.plug('watchdog0');
    const device = host.device();
    await device.prepare(WISH);
    await rm(join(host.devices, 'watchdog0'));
    await mkdir(join(host.devices, 'watchdog0'));
    await chmod(join(host.devices, 'watchdog0'), 0o500);
    expect(() => device.start()).toThrow(/watchdog0: EISDIR/);
  });
});
