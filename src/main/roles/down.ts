/** `vireo down`: removes guests, networks and state of one data directory, without needing its API server. */
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { defaultAgentConfig } from '../../agent/config.ts';
import { ID_BLOCK_FILE } from '../../agent/idRanges.ts';
import { removeEverything } from '../../agent/removal.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { createCgroups } from '../../drivers/cgroup/cgroups.ts';
import { removeOwnGroup } from '../../drivers/cgroup/own.ts';
import { lockDirectory } from '../../store/lock.ts';
import { realDrivers } from '../drivers/real.ts';
import { endKeeper } from '../keeper/link.ts';
import { isRoot, type Layout } from '../layout.ts';

export type DownOptions = { layout: Layout; yes: boolean };

/** The exit code: 0 when everything is gone, 1 when it was not wanted or something is left. */
export async function runDown({ layout, yes }: DownOptions, world: World): Promise<number> {
  const { files } = world;
  if ((await files.stat(layout.dataDirectory)) === undefined) {
    process.stdout.write(`${layout.dataDirectory} does not exist: nothing to remove\n`);
    return 0;
  }
  if (!(await looksLikeOurs(layout, world))) {
    throw new ReasonedError(
      'NotADataDirectory',
      `${layout.dataDirectory} is no data directory of vireo: it is left alone`,
    );
  }
  if (!yes && !(await confirmed(layout))) return 1;
  const release = await lockDirectory(`${layout.apiserver}/store`);
  try {
    if (isRoot() && (await wasRealHost(layout, world))) {
      const places = {
        stateDirectory: layout.agent,
        runDirectory: layout.runDirectory,
        cgroupRoot: layout.cgroupRoot,
        scope: layout.scope,
      };
      await endKeeper(layout.runDirectory, world.clock, { forget: true });
      const drivers = await realDrivers(places, defaultAgentConfig, world);
      const { problems } = await removeEverything({ stateDirectory: layout.agent, drivers, world });
      await Promise.all([drivers.machines.close(), drivers.containers.close()]);
      for (const problem of problems) process.stderr.write(`${problem}\n`);
      if (problems.length > 0) {
        process.stderr.write(
          'not everything could be removed; the state is kept so that this can be repeated\n',
        );
        return 1;
      }
      await (await createCgroups({ world, root: layout.cgroupRoot })).removeRoot();
      await removeOwnGroup(world, layout.keeperGroup);
    }
  } finally {
    await release();
  }
  await files.removeTree(layout.runDirectory);
  await files.removeTree(layout.dataDirectory);
  process.stdout.write(`removed ${layout.dataDirectory}\n`);
  return 0;
}

/** An agent of this machine makes control groups before its first guest; simulated hosts lie one directory deeper. */
async function wasRealHost({ agent }: Layout, { files }: World): Promise<boolean> {
  const marks = await Promise.all(['guests', ID_BLOCK_FILE].map((name) => files.stat(`${agent}/${name}`)));
  return marks.some((mark) => mark !== undefined);
}

async function looksLikeOurs(layout: Layout, { files }: World): Promise<boolean> {
  const present = await Promise.all([layout.apiserver, layout.agent].map((path) => files.stat(path)));
  return present.some((stat) => stat?.kind === 'Directory');
}

async function confirmed(layout: Layout): Promise<boolean> {
  const question = `Remove all guests, their volumes, networks and state of ${layout.dataDirectory}? Write yes: `;
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await prompt.question(question);
  prompt.close();
  return answer.trim() === 'yes';
}
