/**
 * `npm run soak:labs [-- ROUNDS [LABS [OUTAGE_SECONDS]]]`: the end-to-end stories of high availability round after round (`VIREO_SOAK=ha,ha-witness`: only these), in
 * several labs side by side and with an outage of the API server at full length. Goes on after a failure, and tells at the end how often each story held and what was
 * measured in it.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { checkout } from '../e2e/harness/commands.ts';

const STORIES = process.env.VIREO_SOAK?.split(',') ?? ['ha', 'ha-shutdown', 'ha-selffence', 'ha-witness'];
const FILES = STORIES.map((name) => `test/e2e/${name}.test.ts`);
const rounds = Number(process.argv[2] ?? 10);
const labs = Number(process.argv[3] ?? 1);
const outageSeconds = Number(process.argv[4] ?? 600);

/** What vitest's reporter `json` writes, as far as it is read here. */
type Report = { testResults: { assertionResults: Result[] }[] };
type Result = {
  fullName: string;
  status: 'passed' | 'failed' | 'skipped' | 'pending';
  failureMessages?: string[];
};

const results: (Result & { where: string })[] = [];
/** Milliseconds told by the stories, by the words before them. */
const measured = new Map<string, number[]>();
const say = (text: string) => process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

const directory = await mkdtemp(join(tmpdir(), 'vireo-soak-labs-'));
let begun = 0;
try {
  await Promise.all(Array.from({ length: labs }, (_, index) => tellAll(index + 1)));
} finally {
  await rm(directory, { recursive: true, force: true });
}
conclude();

/** One lab takes story files until all rounds are told. Labs count from 1, so that the end-to-end tests may run beside them. */
async function tellAll(lab: number): Promise<void> {
  for (let index = begun++; index < rounds * FILES.length; index = begun++) {
    const file = FILES[index % FILES.length];
    if (file !== undefined) await tell(file, lab, 1 + Math.floor(index / FILES.length));
  }
}

async function tell(file: string, lab: number, round: number): Promise<void> {
  const where = `round ${round} in lab ${lab}`;
  const outputFile = join(directory, `${lab}.json`);
  const printed = await vitest(file, outputFile, lab);
  const report: Report = JSON.parse(await readFile(outputFile, 'utf8').catch(() => '{"testResults":[]}'));
  const told = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = told.filter(({ status }) => status !== 'passed');
  if (told.length === 0)
    failed.push({ fullName: file, status: 'failed', failureMessages: ['nothing was told'] });
  results.push(...[...told, ...(told.length === 0 ? failed : [])].map((one) => ({ ...one, where })));
  // What programs log says of other times.
  const lines = printed.split('\n').filter((line) => !line.startsWith('{'));
  for (const [, what = '', ms] of lines.join('\n').matchAll(/([a-z][\w :-]*?) (?:after )?(\d+) ms/g))
    note(what.trim(), Number(ms));
  for (const line of lines) {
    const [, what, seconds] = /^(\w.*\S) {2,}([\d.]+) s\b/.exec(line) ?? [];
    if (what !== undefined) note(what, Math.round(1_000 * Number(seconds)));
  }
  say(`${where}: ${file}: ${told.length - failed.length} of ${told.length} held`);
  if (failed.length > 0) process.stdout.write(`${printed}\n`);
}

function note(what: string, ms: number): void {
  measured.set(what, [...(measured.get(what) ?? []), ms]);
}

function vitest(file: string, outputFile: string, lab: number): Promise<string> {
  const argv = ['vitest', 'run', '--project=e2e', file, '--reporter=default', '--reporter=json'];
  const env = {
    ...process.env,
    NO_COLOR: '1',
    VIREO_LAB: String(lab),
    VIREO_OUTAGE_SECONDS: String(outageSeconds),
  };
  const child = spawn('npx', [...argv, `--outputFile.json=${outputFile}`], { cwd: checkout, env });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(printed));
  });
}

function conclude(): void {
  process.stdout.write('\n');
  for (const story of new Set(results.map(({ fullName }) => fullName))) {
    const all = results.filter(({ fullName }) => fullName === story);
    const held = all.filter(({ status }) => status === 'passed').length;
    process.stdout.write(`${held} of ${all.length}  ${story}\n`);
  }
  for (const [what, values] of measured) {
    const sorted = values.toSorted((a, b) => a - b);
    process.stdout.write(`${what}: median ${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms\n`);
  }
  const failures = results.filter(({ status }) => status !== 'passed');
  for (const { where, fullName, failureMessages = [] } of failures)
    process.stderr.write(`${where}: ${fullName}: ${failureMessages.join('; ')}\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
