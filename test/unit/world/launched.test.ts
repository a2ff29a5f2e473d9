/** A launcher dies as any process may: what is asked of the agent goes on without it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { realFiles } from '../../../src/main/world/files.ts';
import { type Launched, launchedProcesses } from '../../../src/main/world/launched.ts';
import { realProcesses } from '../../../src/main/world/processes.ts';
import { realRandom } from '../../../src/main/world/random.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

const random = realRandom();
const files = realFiles(random);
let folder = '';
let launched: Launched;
let clock: ReturnType<typeof createFakeClock>;
const direct = realProcesses({ clock: createFakeClock() });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-launched-'));
  clock = createFakeClock();
  const command = [process.execPath, '--import', 'tsx', 'src/main/launcher.ts'];
  launched = launchedProcesses({ clock, random, log: silentLog, processes: direct }, command);
  await launched.start();
});
afterEach(async () => {
  launched.close();
  await rm(folder, { recursive: true, force: true });
});

async function parentOf(): Promise<number> {
  return Number((await launched.processes.run(['sh', '-c', 'echo $PPID'])).stdout);
}

/** The pid that a command has written to a file. */
async function pidIn(path: string): Promise<number> {
  await expect.poll(() => files.readText(path)).toMatch(/^\d+\n$/);
  return Number(await files.readText(path));
}

describe('a launcher that is killed', () => {
  it('takes its commands with it, and what is asked afterwards is done without it until it is back', async () => {
    const launcher = await parentOf();
    const pidFile = join(folder, 'pid');
    const running = launched.processes.run(['sh', '-c', 'echo $$ > "$0"; exec sleep 600', pidFile]);
    const command = await direct.identify(await pidIn(pidFile));
    // Its start has been told when a later command has come and gone.
    await launched.processes.run(['true']);
    process.kill(launcher, 'SIGKILL');
    expect(await running).toMatchObject({ code: 137, timedOut: false });
    await expect.poll(() => command !== undefined && direct.isAlive(command)).toBe(false);
    expect(await parentOf()).toBe(process.pid);
    await clock.advance(1_000);
    await expect.poll(parentOf, { timeout: 15_000 }).not.toBe(process.pid);
    expect(await parentOf()).not.toBe(launcher);
  });

  it('leaves what was detached running', async () => {
    const outputPath = join(folder, 'guest.log');
    const { identity, exited } = await launched.processes.spawnDetached(['sleep', '600'], { outputPath });
    process.kill(await parentOf(), 'SIGKILL');
    await exited;
    expect(await direct.isAlive(identity)).toBe(true);
    await direct.signal(identity, 'SIGKILL');
  });

  it('does not die of the signals that end an agent in order', async () => {
    const launcher = await parentOf();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(launcher, signal);
    expect(await parentOf()).toBe(launcher);
  });
});

describe('without a launcher', () => {
  it('programs are started all the same', async () => {
    const none = launchedProcesses({ clock, random, log: silentLog, processes: direct }, [
      'no-such-launcher',
    ]);
    await none.start();
    expect(await none.processes.run(['sh', '-c', 'echo $PPID'])).toMatchObject({
      stdout: `${process.pid}\n`,
    });
    none.close();
  });

  it('ends when the agent closes it', async () => {
    const launcher = await direct.identify(await parentOf());
    launched.close();
    await expect.poll(() => launcher !== undefined && direct.isAlive(launcher)).toBe(false);
  });
});
