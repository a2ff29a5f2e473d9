/** What the drivers say of this host, looked at again from time to time: a missing tool may be installed while the agent runs. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { outcomeOf } from '../../base/outcome.ts';
import type { HypervisorFacts } from '../../drivers/hypervisor/contract.ts';
import type { NetworkDriver, NetworkFacts } from '../../drivers/network/contract.ts';

/** Between two looks; a hypervisor that works is asked ten times less often. */
export const STOCK_EVERY_MS = 60_000;
const LOOKS_BETWEEN_FACTS = 10;

export type Stock = {
  machines(): HypervisorFacts;
  containers(): HypervisorFacts;
  network(): NetworkFacts;
  /** Asks all drivers. */
  take(): Promise<void>;
  /** Asks from time to time until the signal; `changed` is called when something differs. */
  run(signal: AbortSignal, changed: () => void): Promise<void>;
};

type Asked = { facts(): Promise<HypervisorFacts> };

const NOTHING: HypervisorFacts = { available: false, reason: 'NotAsked', message: 'not looked at yet' };

export function createStock(options: {
  clock: Clock;
  log: Log;
  machines: Asked;
  containers: Asked;
  network: Pick<NetworkDriver, 'facts' | 'repair'>;
}): Stock {
  const { clock, log } = options;
  let machines = NOTHING;
  let containers = NOTHING;
  let network: NetworkFacts = { bridges: [], problems: [] };
  let looks = 0;

  const ask = async (driver: Asked, known: HypervisorFacts): Promise<HypervisorFacts> => {
    if (known.available && looks % LOOKS_BETWEEN_FACTS !== 0) return known;
    return driver.facts().catch((error: unknown) => broken(error));
  };

  const take = async (): Promise<void> => {
    await options.network.repair().catch((error: unknown) => {
      log.warn('the NAT network could not be repaired', { message: String(error) });
    });
    [machines, containers, network] = await Promise.all([
      ask(options.machines, machines),
      ask(options.containers, containers),
      options.network.facts().catch((error: unknown) => brokenNetwork(error)),
    ]);
    looks += 1;
  };

  return {
    take,
    machines: () => machines,
    containers: () => containers,
    network: () => network,
    run: async (signal, changed) => {
      while (!signal.aborted) {
        await clock.sleep(STOCK_EVERY_MS, signal).catch(() => undefined);
        if (signal.aborted) return;
        const before = JSON.stringify([machines, containers, network]);
        await take();
        if (JSON.stringify([machines, containers, network]) !== before) changed();
      }
    },
  };
}

function broken(error: unknown): HypervisorFacts {
  const outcome = outcomeOf(error, 'FactsUnknown');
  if (outcome.type === 'done') return NOTHING;
  return { available: false, reason: outcome.reason, message: outcome.message };
}

function brokenNetwork(error: unknown): NetworkFacts {
  const outcome = outcomeOf(error, 'NetworkUnknown');
  if (outcome.type === 'done') return { bridges: [], problems: [] };
  return { bridges: [], problems: [{ reason: outcome.reason, message: outcome.message }] };
}
