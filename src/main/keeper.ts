/**
 * The keeper of this host as a process of its own, started by the agent while there is a ClusterPolicy: it outlives the agent, as guests do, and
 * goes on with what the one before it knew. It kills guests when nobody hears the host; it starts none.
 */
import { readFileSync } from 'node:fs';
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
import { takeStand } from './keeper/standing.ts';
import { watchdogDevice } from './keeper/watchdog.ts';
import { version } from './version.ts';
import { realWorld } from './world/world.ts';

const REFRESH_MS = 5_000;

/** Said to the second process by the first. */
const STANDING = 'standing';

/** Memory is counted where it was first touched, and threads keep the priority they began with: the keeper is a second process, which has all of its own. */
async function begin(placeFile: string): Promise<void> {
  const at = placeIn(placeFile);
  const world = realWorld();
  const refused = await takeStand(world, at.keeperGroup);
  if (refused.length > 0) {
    const log = world.log.child({ host: at.host, component: 'keeper' });
    log.warn('the host does not let its keeper stand quite apart', { message: refused.join('; ') });
  }
  const command = [process.execPath, process.argv[1] ?? '', placeFile, STANDING];
  await world.processes.spawnDetached(command, { outputPath: join(at.runDirectory, 'keeper.log') });
  process.exit(0);
}

function placeIn(file: string): KeeperPlace {
  return JSON.parse(readFileSync(file, 'utf8')) as KeeperPlace;
}

async function run(at: KeeperPlace): Promise<void> {
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
const [placeFile = '', stage] = process.argv.slice(2);
(stage === STANDING ? run(placeIn(placeFile)) : begin(placeFile)).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
