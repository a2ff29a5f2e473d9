/**
 * `npm run soak:hosts [-- ROUNDS [LABS [STORY]]]`: a machine that moves between two real hosts, and each fault at each step of the move,
 * round after round, in several labs side by side; STORY is a part of the names of those that are told. Goes on after a failure with everything
 * made anew, and tells at the end how often each story held.
 */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { silentLog } from '../../src/base/log.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { ALL_CASES, type Case, nameOf } from '../lab/faults.ts';
import { WRITER_IMAGE } from '../lab/guests.ts';
import { openLab } from '../lab/lab.ts';
import { remainsOf } from '../lab/remains.ts';
import { openStage, type Stage, survives } from '../lab/stage.ts';
import { buildWriterDisk, verifyDisk } from '../lab/writer.ts';

const rounds = Number(process.argv[2] ?? 20);
const only = process.argv[4];
const images = join(tmpdir(), 'vireo-lab-images');
const cases = ALL_CASES.filter((each) => only === undefined || nameOf(each).includes(only));
const labs = Math.min(Number(process.argv[3] ?? 4), rounds * cases.length);

type Told = { story: string; seconds: number; failure?: string };

const say = (text: string) => process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
const placeOf = (number: number) => ({
  name: `vsoak${number}`,
  network: 200 + number,
  directory: join(tmpdir(), `vireo-lab-soak-${number}`),
  images,
});

/** A prime, so that it follows other stories each time. */
const DISK_EVERY = 31;

let begun = 0;
/** To end: after the stories under way. */
let asked = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    asked = true;
  });
}
const told: Told[] = [];
const since = Date.now();
await mkdir(images, { recursive: true });
await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
const numbers = Array.from({ length: labs }, (_, index) => index + 1);
for (const number of numbers) await openLab(placeOf(number)).down();
try {
  const ended = await Promise.allSettled(numbers.map(lane));
  for (const end of ended)
    if (end.status === 'rejected') told.push({ story: 'a lab', seconds: 0, failure: String(end.reason) });
} finally {
  for (const number of numbers) await openLab(placeOf(number)).down();
}
const left = (await Promise.all(numbers.map((number) => remainsOf(placeOf(number))))).flat();
conclude([
  ...told.flatMap(({ failure, story }) => (failure === undefined ? [] : [`${story}: ${failure}`])),
  ...left.map((what) => `left on this machine: ${what}`),
]);

/** One lab takes stories until none is left; after each of its rounds it looks at the disk. */
async function lane(number: number): Promise<void> {
  const stage = await openStage(placeOf(number));
  for (let index = begun++; index < rounds * cases.length && !asked; index = begun++) {
    const each = cases[index % cases.length];
    const round = 1 + Math.floor(index / cases.length);
    if (each !== undefined) told.push(await tell(stage, each, `round ${round} in lab ${number}`));
    if (index % DISK_EVERY === 0) told.push(await tellDisk(stage, round));
  }
  await stage.lab.down();
}

async function tell(stage: Stage, each: Case, where: string): Promise<Told> {
  return timed(stage, nameOf(each), where, async () => {
    await stage.ready();
    await survives(stage, each);
  });
}

/** Every record the guest has ever acknowledged is on its disk. */
async function tellDisk(stage: Stage, round: number): Promise<Told> {
  return timed(stage, 'no write is lost', `round ${round}`, async () => {
    await stage.ready();
    await stage.whileOff(verifyDisk);
  });
}

async function timed(stage: Stage, story: string, where: string, work: () => Promise<void>): Promise<Told> {
  const started = Date.now();
  const seconds = () => (Date.now() - started) / 1000;
  try {
    await work();
    say(`${where}: ${story} (${seconds().toFixed(1)} s)`);
    return { story, seconds: seconds() };
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? ` (${error.cause})` : '';
    say(`${where}: FAILED: ${story}: ${error}${cause}\n${await stage.report()}`);
    return { story, seconds: seconds(), failure: `${where}: ${error}${cause}` };
  }
}

function conclude(failures: readonly string[]): void {
  const stories = [...new Set(told.map(({ story }) => story))];
  process.stdout.write('\n');
  for (const story of stories) {
    const all = told.filter((one) => one.story === story);
    const times = all.map(({ seconds }) => seconds).sort((a, b) => a - b);
    const held = all.filter(({ failure }) => failure === undefined).length;
    process.stdout.write(
      `${held} of ${all.length}  median ${times[times.length >> 1]?.toFixed(1)} s  ${story}\n`,
    );
  }
  const minutes = ((Date.now() - since) / 60_000).toFixed(1);
  process.stdout.write(`\n${told.length} stories in ${minutes} minutes, ${failures.length} failures\n`);
  for (const failure of failures) process.stderr.write(`${failure}\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
