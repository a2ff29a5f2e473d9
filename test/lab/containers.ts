/** Containers of a lab as its stories speak of them: where they are, what they write, how often they run. */
import { readFile, writeFile } from 'node:fs/promises';
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
  /** Begins to write numbered records to its root, ten a second, in this life and in all that follow. */
  writes(): Promise<void>;
  /** Begins to use what processor it is allowed, in this life and in all that follow. */
  burns(): Promise<void>;
  /** All of these in their order; insists that none is missing, and that no life has written between records of another. */
  records(): Promise<BoxRecord[]>;
};

/** A life is one run of the container: each names itself anew, and goes on counting. */
export type BoxRecord = { life: string; number: number };

const COUNTING = 'n=$(cat /count || echo 0); while :; do n=$((n+1)); echo $n >/count; usleep 100000; done';

const WRITING = `life=$(cat /proc/sys/kernel/random/uuid)
n=$(sed -n '$s/.* //p' /records)
while :; do n=$((n+1)); echo "$life $n" >>/records; usleep 100000; done
`;

const BURNING = 'while :; do :; done';

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
      if (!(await lab.host(on).isOn())) continue;
      if ((await lxc('lxc-info', on, '-s', '-H')).stdout.trim() === 'RUNNING') running.push(on);
    }
    return running;
  }

  /** Where a file of its root lies, as the machine underneath sees it. */
  async function inRoot(path: string): Promise<string> {
    const { placement: at, volumes } = await status();
    const [root] = volumes ?? [];
    if (at === undefined || root === undefined) throw new Error(`${name} has no root`);
    return join(await poolDirectory(lab, root.pool, at.host), 'volumes', root.id, 'rootfs', path);
  }

  async function attach(script: string): Promise<void> {
    const path = ['--clear-env', '-v', 'PATH=/bin:/sbin', '--'];
    await lxc('lxc-attach', (await host()) ?? '', ...path, '/bin/sh', '-c', script);
  }

  /** Runs the script from now on, and from the beginning of each life that follows. */
  async function always(file: string, script: string): Promise<void> {
    await writeFile(await inRoot(file), script);
    const init = await inRoot('sbin/init');
    const [first = '', ...rest] = (await readFile(init, 'utf8')).split('\n');
    await writeFile(init, [first, `/bin/sh /${file} &`, ...rest].join('\n'));
    await attach(`setsid sh /${file} </dev/null >/dev/null 2>&1 &`);
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
    counts: () => attach(`setsid sh -c '${COUNTING}' </dev/null >/dev/null 2>&1 &`),
    counted: async () => Number(await readFile(await inRoot('count'), 'utf8').catch(() => '')),
    writes: () => always('writer', WRITING),
    burns: () => always('burner', BURNING),
    records: async () => {
      const lines = (await readFile(await inRoot('records'), 'utf8').catch(() => ''))
        .split('\n')
        .slice(0, -1);
      const records = lines.map((line) => ({
        life: line.split(' ')[0] ?? '',
        number: Number(line.split(' ')[1]),
      }));
      const turns = records.filter(({ life }, index) => life !== records[index - 1]?.life);
      if (new Set(turns.map(({ life }) => life)).size !== turns.length)
        throw new Error(`${name}: written by turns: ${turns.map(({ life }) => life).join(', ')}`);
      const missing = records.findIndex(({ number }, index) => number !== index + 1);
      if (missing >= 0) throw new Error(`${name}: line ${missing + 1} of its records says ${lines[missing]}`);
      return records;
    },
  };
}
