/** `vireo simulate` on the command line. */
import process from 'node:process';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { World } from '../base/world.ts';

/** Adds the command to the program. */
export function addSimulate(program: Command, world: World): void {
  const simulate = program
    .command('simulate')
    .description('run a story of a cluster through the real HA engine, in virtual time')
    .argument('[file]', 'scenario (YAML); without it --random')
    .option(
      '--random <runs>',
      'so many random clusters and faults; a failure is made small and kept',
      number,
      0,
    )
    .option('--seed <number>', 'the same seed gives the same run', number, 1)
    .option('--trace <file>', 'write everything that happened, one JSON object a line')
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
    .option('--save <dir>', 'where the scenario of a failed random run is kept', '.')
    .action(async (file, { random, ...options }) => {
      const { runRandom, runSimulate } = await import('./roles/simulate.ts');
      if ((file === undefined) === (random === 0))
        simulate.error('error: give a scenario file, or --random RUNS');
      process.exitCode =
        file === undefined
          ? await runRandom(random, options, world)
          : await runSimulate(file, options, world);
    });
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number from 0');
  return value;
}
