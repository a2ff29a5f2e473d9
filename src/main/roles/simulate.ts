/** `vireo simulate`: runs stories of a cluster through the real HA engine. Exit 0 when all hold, 1 when not, 2 for a bad file. */
import { join } from 'node:path';
import process from 'node:process';
import { stringify } from 'yaml';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { parseScenario } from '../../cli/simulate/parse.ts';
import { randomScenario } from '../../cli/simulate/random.ts';
import { type Report, runScenario } from '../../cli/simulate/run.ts';
import type { ScenarioFile } from '../../cli/simulate/scenario.ts';
import { shrink } from '../../cli/simulate/shrink.ts';
import { printReport, traceText } from '../../cli/simulate/text.ts';

export type SimulateOptions = {
  seed: number;
  output: 'json' | 'text';
  /** File the trace is written to, one JSON object a line. */
  trace?: string;
  /** Where the small scenario of a failed random run is written. */
  save: string;
};

export async function runSimulate(file: string, options: SimulateOptions, world: World): Promise<number> {
  const scenario = await readScenario(file, world);
  if (scenario === undefined) return 2;
  const name = (file.split('/').pop() ?? file).replace(/\.ya?ml$/, '');
  const report = runScenario(scenario, { name, seed: options.seed });
  if (options.trace !== undefined) await world.files.writeAtomic(options.trace, traceText(report));
  process.stdout.write(options.output === 'json' ? `${JSON.stringify(report)}\n` : printReport(report));
  return report.ok ? 0 : 1;
}

async function readScenario(file: string, world: World): Promise<ScenarioFile | undefined> {
  try {
    const text = await world.files.readText(file);
    if (text === undefined) throw new ReasonedError('ScenarioInvalid', `${file}: there is no such file`);
    return parseScenario(text, file);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

/** Random clusters and faults from `seed` on; the first that breaks an invariant is made small and kept. */
export async function runRandom(count: number, options: SimulateOptions, world: World): Promise<number> {
  for (let seed = options.seed; seed < options.seed + count; seed += 1) {
    const scenario = randomScenario(seed);
    const report = runScenario(scenario, { name: `random-${seed}`, seed });
    if (report.ok) continue;
    const small = shrink(scenario, (candidate) => breaksAlike(candidate, report));
    const path = join(options.save, `random-${seed}.yaml`);
    const head = { apiVersion: 'vireo.dev/v1alpha1', kind: 'Scenario' };
    await world.files.writeAtomic(path, stringify({ ...head, ...small }));
    const [first] = report.violations;
    process.stdout.write(
      `seed ${seed}: ${first?.invariant} at ${first?.at}s: ${first?.detail}\nkept as ${path}\n`,
    );
    return 1;
  }
  process.stdout.write(`${count} random runs from seed ${options.seed}: no invariant was broken\n`);
  return 0;
}

function breaksAlike(candidate: ScenarioFile, { violations, seed }: Report): boolean {
  const wanted = violations[0]?.invariant;
  return runScenario(candidate, { name: '', seed }).violations.some(({ invariant }) => invariant === wanted);
}
