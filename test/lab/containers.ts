/** Containers of a lab as its stories speak of them: where they are, what they write, how often they run. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { guestId } from '../../src/api/identity.ts';
import { run, until } from '../e2e/harness/commands.ts';
import { type GuestStatus, poolDirectory } from './guests.ts';
import type { Lab } from './lab.ts';

export type Box = {
  /** As kubectl names it. */
  readonly name: string;
  status(): Promise<GuestStatus>;
  host(): Promise<string | undefined>;
  /** Hosts on which it runs. */
  runsOn(): Promise<string[]>;
  /** Waits until it runs once, where its placement says, and gives that host. */
  settles(): Promise<string>;
  /** Begins to count in a file of its root, ten times a second, until it is stopped. */
  counts(): Promise<void>;
  /** How far it had counted when it was last written. */
  counted(): Promise<number>;
};

const COUNTING = 'n=$(cat /count || echo 0); while :; do n=$((n+1)); echo $n >/count; usleep 100000; done';

export function box(lab: Lab, boxName: string): Box {
  const name = `ct/${boxName}`;
  const status = async () => (await lab.get<{ status?: GuestStatus }>(name)).status ?? {};
  const host = async () => (await status()).placement?.host;
  const lxc = async (program: string, on: string, ...args: string[]) => {
    const place = ['-n', guestId((await status()).uuid ?? ''), '-P', join(lab.host(on).disk, 'agent', 'lxc')];
    return run(await lab.host(on).inside([program, ...place, ...args]));
  };

  async function runsOn(): Promise<string[]> {
    const running: string[] = [];
    for (const on of await lab.hostNames()) {
      if ((await lxc('lxc-info', on, '-s', '-H')).stdout.trim() === 'RUNNING') running.push(on);
    }
    return running;
  }

  return {
    name,
    status,
    host,
    runsOn,
    settles: () =>
      until(`${name} runs once, where its placement says`, async () => {
        const [at, found] = [await host(), await runsOn()];
        return found.length === 1 && found[0] === at && at;
      }),
    counts: async () => {
      const script = `setsid sh -c '${COUNTING}' </dev/null >/dev/null 2>&1 &`;
      const path = ['--clear-env', '-v', 'PATH=/bin:/sbin', '--'];
      await lxc('lxc-attach', (await host()) ?? '', ...path, '/bin/sh', '-c', script);
    },
    counted: async () => {
      const { placement: at, volumes } = await status();
      const [root] = volumes ?? [];
      if (at === undefined || root === undefined) throw new Error(`${name} has no root`);
      const pool = await poolDirectory(lab, root.pool, at.host);
      const count = await readFile(join(pool, 'volumes', root.id, 'rootfs', 'count'), 'utf8').catch(() => '');
      return Number(count);
    },
  };
}
