#!/usr/bin/env node
/** The executable `vireo`, also as the kubectl plugin `kubectl-vireo`. */
import { realpathSync } from 'node:fs';
import process from 'node:process';
import { CommanderError } from 'commander';
import { ReasonedError } from '../base/outcome.ts';
import { createProgram } from './program.ts';
import { CANNOT_START } from './supervisor.ts';
import { realWorld } from './world/world.ts';

const script = realpathSync(process.argv[1] ?? '');
const logLevel = process.env.VIREO_LOG === 'debug' ? 'debug' : 'info';
const role = process.argv[2] ?? 'vireo';

try {
  await createProgram(realWorld({ logLevel, logFields: { role } }), script).parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.stderr.write(`vireo ${role}: ${error instanceof Error ? error.message : String(error)}\n`);
    // A known reason that only a person can change is not worth a restart by a supervisor.
    process.exitCode = error instanceof ReasonedError && error.stalled ? CANNOT_START : 1;
  }
}

// Whatever a role has forgotten to close must not keep the process.
process.exit();
