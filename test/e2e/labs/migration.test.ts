/**
 * Machines that write move between real hosts, with their disks, and everything that can break on the way breaks once at each step. Four of them share
 * the stories, each with hosts of its own, because most of a story is waiting. `npm run soak:hosts` tells them again and again.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { ALL_CASES, nameOf } from '../../lab/faults.ts';
import { WRITER_IMAGE } from '../../lab/guests.ts';
import { settles } from '../../lab/migrations.ts';
import { remainsOf } from '../../lab/remains.ts';
import { openStage, type Stage, survives } from '../../lab/stage.ts';
import { traces } from '../../lab/traces.ts';
import { buildWriterDisk, verifyDisk } from '../../lab/writer.ts';
import { until } from '../harness/commands.ts';

const images = join(tmpdir(), 'vireo-lab-images');
const PLACES = [209, 210, 214, 217].map((network) => ({
  name: `vmove${network}`,
  directory: join(tmpdir(), `vireo-lab-move-${network}`),
  ...{ network, images },
}));

type Story = { name: string; tell(stage: Stage): Promise<void> };

const STORIES: readonly Story[] = [
  {
    name: 'goes to the other host while it runs: same boot, same address, nothing left behind',
    tell: async (stage) => {
      const wrote = await stage.guest.writing();
      const { move: moving, target } = await stage.begin({ type: 'Live' });
      expect(await moving.ends()).toMatchObject({ phase: 'Succeeded', targetHost: target.name });
      expect(await settles(stage.guest)).toMatchObject({ host: target.name });
      expect(await stage.guest.writing()).toMatchObject({ boot: wrote.boot });
      await stage.untilOtherIsEmpty();
    },
  },
  {
    name: 'goes there offline: stopped, moved, started',
    tell: async (stage) => {
      const wrote = await stage.guest.writing();
      const { move: moving, target } = await stage.begin({ type: 'Offline' });
      expect(await moving.ends()).toMatchObject({ phase: 'Succeeded', targetHost: target.name });
      expect(await settles(stage.guest)).toMatchObject({ host: target.name });
      const after = await stage.guest.writing();
      expect(after.boot).not.toBe(wrote.boot);
      expect(after.number).toBeGreaterThan(wrote.number);
      await stage.untilOtherIsEmpty();
    },
  },
  ...ALL_CASES.map((each) => ({
    name: `is moved slowly, and meanwhile ${nameOf(each)}: it runs once, and nothing is left over`,
    tell: (stage: Stage) => survives(stage, each),
  })),
];

beforeAll(() => buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE)));

describe.concurrent.each(PLACES)('a machine that writes, in $name,', (place) => {
  let stage: Stage;
  /** Why nothing can be told any more. */
  let over: string | undefined;

  beforeAll(async () => {
    stage = await openStage(place);
  });
  afterAll(() => stage?.lab.down());

  beforeEach(async ({ onTestFailed, skip }) => {
    if (over !== undefined) return skip(over);
    onTestFailed(async () => {
      process.stderr.write(`${await stage.report()}\n`);
    });
    try {
      await stage.ready();
    } catch (error) {
      over = `the stage could not be made ready again: ${error}`;
      throw error;
    }
  });

  // Dealt out one by one: neighbours in the list take about as long.
  for (const { name, tell } of STORIES.filter((_, index) => PLACES[index % PLACES.length] === place)) {
    it.sequential(name, () => tell(stage));
  }

  // With its own `expect`: a poll needs to know its test, and several run at once.
  it.sequential('has lost no write in all this, and leaves nothing when it is deleted', async ({
    expect,
  }) => {
    const { lab, guest } = stage;
    await lab.kubectl('patch', guest.name, '--type=merge', '-p', '{"spec":{"runStrategy":"Halted"}}');
    await until('it is off', async () => (await guest.instances()).length === 0);
    expect((await verifyDisk(await guest.dataDisk())).number).toBeGreaterThan(1);
    await lab.kubectl('delete', '--timeout=60s', 'vm', '--all');
    for (const [name, was] of stage.empty) {
      await expect.poll(() => traces(lab.host(name)), { timeout: 20_000 }).toEqual(was);
    }
    await lab.down();
    expect(await remainsOf(place)).toEqual([]);
  });
});
