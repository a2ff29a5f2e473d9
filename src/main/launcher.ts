/**
 * The small process that starts an agent's programs; `world/launched.ts` says why there is one. It holds nothing that anybody would miss: it
 * ends when the agent does, and what it has started runs on.
 */
import process from 'node:process';
import { SEARCH_PATH } from '../base/processes.ts';
import { realClock } from './world/clock.ts';
import { createIdentities } from './world/identity.ts';
import type { Order, Report } from './world/orders.ts';
import { environmentOf, realProcesses } from './world/processes.ts';
import { runCommand } from './world/run.ts';

const clock = realClock();
const processes = realProcesses({ clock });
const identities = createIdentities();
const environment = environmentOf(SEARCH_PATH);
const underWay = new Map<number, AbortController>();

function tell(report: Report): void {
  // An agent that is gone is heard of by `disconnect`.
  process.send?.(report, undefined, undefined, () => {});
}

async function run({ id, argv, options }: Extract<Order, { type: 'run' }>): Promise<void> {
  const abort = new AbortController();
  underWay.set(id, abort);
  const started = (pid: number): void =>
    void identities.identifyChild(pid).then((identity) => tell({ type: 'started', id, identity }));
  try {
    const given = { ...options, signal: abort.signal };
    tell({ type: 'ended', id, result: await runCommand(argv, environment, given, clock, started) });
  } catch {
    tell({ type: 'aborted', id });
  } finally {
    underWay.delete(id);
  }
}

async function detach({ id, argv, options }: Extract<Order, { type: 'detach' }>): Promise<void> {
  try {
    const { identity, exited } = await processes.spawnDetached(argv, options);
    tell({ type: 'detached', id, identity });
    tell({ type: 'exited', id, code: await exited });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    tell({ type: 'failed', id, message: error instanceof Error ? error.message : String(error), code });
  }
}

function obey(order: Order): void {
  if (order.type === 'run') void run(order);
  else if (order.type === 'detach') void detach(order);
  else underWay.get(order.id)?.abort(new Error('aborted'));
}

// Ctrl-C and a service manager's SIGTERM reach the agent too, which still needs programs for an orderly end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('message', (message) => obey(message as Order));
process.on('disconnect', () => process.exit());
tell({ type: 'ready' });
