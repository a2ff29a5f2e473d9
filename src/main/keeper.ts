/**
 * The keeper of this host as a process of its own, started by the agent while there is a ClusterPolicy: it outlives the agent, as guests do, and
 * goes on with what the one before it knew. It kills guests when nobody hears the host; it starts none.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createClient } from '../client/client.ts';
import { loadKubeconfig } from '../client/kubeconfig.ts';
import { createCgroups } from '../drivers/cgroup/cgroups.ts';
import { createKeeper } from '../keeper/keeper.ts';
import { firstAddress, realHostFacts } from './hostfacts.ts';
import { serveControl } from './keeper/control.ts';
import { keeperPeers, type Place } from './keeper/peers.ts';
import type { KeeperPlace } from './keeper/place.ts';
import {
  bootClock,
  guestsPort,
  incidentPort,
  leasePort,
  memoryPort,
  placeOf,
  policyPort,
  resetPort,
} from './keeper/ports.ts';
import { writeOutShared } from './keeper/sharedPools.ts';
import { watchdogDevice } from './keeper/watchdog.ts';
import { version } from './version.ts';
import { realWorld } from './world/world.ts';

const REFRESH_MS = 5_000;

/** Short of memory or processor the host needs its keeper most. */
function stayAlive(): void {
  const wishes = [() => writeFileSync('/proc/self/oom_score_adj', '-1000'), () => setPriority(-20)];
  for (const wish of wishes) {
    try {
      wish();
    } catch {
      // Without the right to it the keeper does its work all the same.
    }
  }
}

async function run(at: KeeperPlace): Promise<void> {
  stayAlive();
  const given = realWorld();
  const clock = bootClock(given.clock);
  const world = { ...given, clock, log: given.log.child({ host: at.host, component: 'keeper' }) };
  const kubeconfig = await loadKubeconfig({ path: at.kubeconfig, files: world.files });
  const client = createClient({ kubeconfig, fieldManager: 'vireo-keeper', world });
  const { bootID, cpu } = await realHostFacts(world)();
  if (bootID === undefined) throw new Error('the boot id of this host cannot be read');
  const cgroups = await createCgroups({ world, root: at.cgroupRoot });
  const end = new AbortController();
  const places = new Map<string, Place>();
  let voters: string[] = [];
  const policy = policyPort(client);
  const peers = keeperPeers(world.files, at.stateDirectory, firstAddress, (asker) => keeper.answer(asker));
  const keeper = createKeeper(
    {
      clock,
      log: world.log,
      lease: leasePort(client, { host: at.host, clock, place: peers.place }),
      incident: incidentPort(client, at.host),
      policy: async (timeoutMs) => {
        const found = await policy(timeoutMs);
        voters = Object.keys(found.table?.votes ?? {}).filter((name) => name !== at.host);
        return found;
      },
      ask: async (name, timeoutMs) => {
        const place = places.get(name);
        if (place === undefined) throw new Error(`where ${name} is asked is not known`);
        return peers.ask(name, place, timeoutMs);
      },
      guests: guestsPort(cgroups, writeOutShared(world, at.runDirectory)),
      memory: memoryPort(world.files, at.runDirectory),
      ...(at.watchdog === 'None' ? {} : { watchdog: watchdogDevice(world, at.watchdog) }),
      ...(at.resetWithoutWatchdog ? { reset: resetPort() } : {}),
    },
    { host: at.host, bootID, pausable: cpu.flags.includes('hypervisor') },
  );
  const control = await serveControl(join(at.runDirectory, 'keeper.sock'), keeper, {
    version,
    end: () => end.abort(new Error('no longer wanted')),
  });
  const learn = async (): Promise<void> => {
    while (!end.signal.aborted) {
      await peers
        .refresh()
        .catch((error: unknown) => world.log.warn('peers cannot ask', { message: String(error) }));
      await Promise.all(
        voters.map(async (name) => {
          const place = await placeOf(client, name, REFRESH_MS).catch(() => undefined);
          if (place !== undefined) places.set(name, place);
        }),
      );
      await clock.sleep(voters.length === 0 ? 500 : REFRESH_MS, end.signal).catch(() => undefined);
    }
  };
  await Promise.all([keeper.run(end.signal), learn()]);
  control.close();
  peers.close();
  await client.close();
  process.exit(0);
}

// A service manager that ends the agent does not mean the keeper, which is ended by its socket.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => {});
run(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as KeeperPlace).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
