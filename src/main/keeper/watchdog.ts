/**
 * Watchdog devices by the kernel's API (Documentation/watchdog/watchdog-api.rst): opened, fed by a write, disarmed by `V` before the close. What
 * the ioctls would tell is read in /sys/class/watchdog (Documentation/ABI/testing/sysfs-class-watchdog), or asked of wdctl(8), which sets the
 * timeout too.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../../base/world.ts';
import type { WatchdogChoice, WatchdogDevice, WatchdogWish } from '../../keeper/watchdog.ts';

/** Without it the device would be disarmed by the end of its keeper, whatever that was. */
const MAGIC_CLOSE = 'MAGICCLOSE';
const COMMAND_MS = 5_000;

type Found = { name: string; timeoutMs: number; isRunning: boolean };

/** `devices` and `facts`: /dev and /sys/class/watchdog. */
export function watchdogDevice(
  { files, processes }: Pick<World, 'files' | 'processes'>,
  choice: Exclude<WatchdogChoice, 'None'>,
  { devices, facts }: { devices: string; facts: string } = { devices: '/dev', facts: '/sys/class/watchdog' },
): WatchdogDevice {
  let candidates: string[] = [];
  let held: { name: string; fd: number } | undefined;
  let hasTriedSoftdog = false;
  /** Known to run on when their holder ends. */
  const lasting = new Set<string>();

  const fact = async (name: string, what: string) => (await files.readText(join(facts, name, what)))?.trim();
  const run = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await processes.run(argv, { timeoutMs: COMMAND_MS });
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr.trim()}`);
    return stdout;
  };

  const names = async (wish: WatchdogWish): Promise<string[]> => {
    if (choice !== 'Auto') return [choice];
    const found = await files.list(facts);
    if (found.length > 0 || hasTriedSoftdog) return found;
    hasTriedSoftdog = true;
    await run('modprobe', 'softdog', `soft_margin=${Math.ceil(wish.asked / 1_000)}`, 'nowayout=0');
    return files.list(facts);
  };

  /** Throws with what is wrong with it. */
  const examine = async (name: string, { asked, least, most }: WatchdogWish): Promise<Found> => {
    if ((await fact(name, 'nowayout')) !== '0')
      throw new Error(`${name} cannot be disarmed: load its driver with nowayout=0`);
    const timeout = async () => Number(await fact(name, 'timeout')) * 1_000;
    // wdctl opens and closes the device, which would disarm one that runs.
    if ((await fact(name, 'state')) === 'active')
      return { name, timeoutMs: await timeout(), isRunning: true };
    const device = join(devices, name);
    if (!lasting.has(name)) {
      const flags = await run('wdctl', '--flags-only', '--noheadings', '--raw', '--output', 'FLAG', device);
      if (!flags.split(/\s+/).includes(MAGIC_CLOSE))
        throw new Error(`${name} would stop when its keeper ends (no magic close)`);
      lasting.add(name);
    }
    const seconds = Math.ceil(asked / 1_000);
    if ((await timeout()) !== seconds * 1_000) await run('wdctl', '--settimeout', String(seconds), device);
    const timeoutMs = await timeout();
    if (!(timeoutMs >= least && timeoutMs <= most))
      throw new Error(`the timeout of ${name} is ${timeoutMs} ms, not from ${least} to ${most} ms`);
    return { name, timeoutMs, isRunning: false };
  };

  return {
    prepare: async (wish) => {
      const there = await names(wish);
      const looked = await Promise.allSettled(there.map((name) => examine(name, wish)));
      const found = looked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      // One that runs is what a keeper before has left, or somebody else's, and then it cannot be opened.
      const order = found.sort((a, b) => Number(b.isRunning) - Number(a.isRunning));
      candidates = order.map(({ name }) => name);
      const reasons = looked.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
      if (order.length === 0) throw new Error(reasons.join('; ') || 'the host has no watchdog device');
      return Math.max(...order.map(({ timeoutMs }) => timeoutMs));
    },
    start: () => {
      const reasons: string[] = [];
      for (const name of candidates) {
        try {
          held = { name, fd: openSync(join(devices, name), 'w') };
          return Number(readFileSync(join(facts, name, 'timeout'), 'utf8')) * 1_000;
        } catch (error) {
          reasons.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      throw new Error(reasons.join('; '));
    },
    feed: () => {
      if (held !== undefined) writeSync(held.fd, '\0');
    },
    stop: () => {
      if (held === undefined) return;
      const { fd } = held;
      held = undefined;
      try {
        writeSync(fd, 'V');
      } finally {
        closeSync(fd);
      }
    },
  };
}
