/**
 * A host in memory with a QEMU that understands as much as the driver says to it, and agents that can be made to die at any of their calls.
 * What an agent did before it died stays; nothing of what it still wanted to do happens.
 */
import { Duplex, PassThrough } from 'node:stream';
import type { Clock } from '../../../../src/base/clock.ts';
import { silentLog } from '../../../../src/base/log.ts';
import type { ProcessIdentity } from '../../../../src/base/processes.ts';
import type { World } from '../../../../src/base/world.ts';
import type { Cgroups } from '../../../../src/drivers/cgroup/contract.ts';
import { createQemuDriver, type QemuDriver } from '../../../../src/drivers/hypervisor/qemu/driver.ts';
import { seededRandom } from '../../../world/seededRandom.ts';
import { tcgHost } from './machine.ts';

type Machine = {
  identity: ProcessIdentity;
  argv: readonly string[];
  status: string;
  ran: boolean;
  alive: boolean;
};
type Death = { countdown: number; before: boolean; died: () => void };

export const runDirectory = '/run/vireo/1a2b3c4d';

export class FakeHost {
  readonly machines: Machine[] = [];
  readonly groups = new Map<string, Set<number>>();
  readonly contents = new Map<string, string>();
  bootId = 'boot-1';

  /** Living QEMU processes. */
  living(): Machine[] {
    return this.machines.filter(({ alive }) => alive);
  }

  /** Everything that is neither a guest's directory nor its log. */
  traces(): string[] {
    const files = [...this.contents.keys()].filter(
      (path) => path.startsWith(runDirectory) || path.endsWith('run.json'),
    );
    return [...files, ...this.groups.keys()];
  }

  /** An agent that lives on. */
  agent(): QemuDriver {
    return this.driver(undefined);
  }

  /** An agent that dies at its call number `countdown`, before or after the deed; `died` resolves then. */
  mortalAgent(countdown: number, before: boolean): { driver: QemuDriver; died: Promise<void> } {
    let tell = () => {};
    const died = new Promise<void>((resolve) => {
      tell = resolve;
    });
    return { driver: this.driver({ countdown, before, died: tell }), died };
  }

  private driver(death: Death | undefined): QemuDriver {
    const world: World = {
      clock: hurriedClock(),
      random: seededRandom(),
      log: silentLog,
      files: mortal(this.files(), death),
      processes: mortal(this.processes(), death),
      sockets: mortal(
        {
          connectUnix: (path: string) => this.connect(path),
          listenForOne: () => Promise.reject(new Error('nobody calls')),
          listenForOneAt: () => Promise.reject(new Error('nobody calls')),
        },
        death,
      ),
    };
    const cgroups = mortal(this.cgroups(), death);
    return createQemuDriver({ world, cgroups, runDirectory, facts: tcgHost });
  }

  private files(): World['files'] {
    const { contents } = this;
    const under = (path: string) =>
      [...contents.keys()].filter((each) => each === path || each.startsWith(`${path}/`));
    const files: Partial<World['files']> = {
      readText: async (path) => {
        if (path.endsWith('boot_id')) return this.bootId;
        const pid = /^\/proc\/(\d+)\/cmdline$/.exec(path)?.[1];
        if (pid === undefined) return contents.get(path);
        return this.living()
          .find(({ identity }) => identity.pid === Number(pid))
          ?.argv.join('\0');
      },
      writeAtomic: async (path, data) => void contents.set(path, String(data)),
      makeDirectory: async (path) => void contents.set(path, contents.get(path) ?? 'directory'),
      remove: async (path) => void contents.delete(path),
      removeTree: async (path) => {
        for (const each of under(path)) contents.delete(each);
      },
      list: async (path) => {
        if (path === '/proc') return this.living().map(({ identity }) => String(identity.pid));
        return [
          ...new Set(under(path).map((each) => each.slice(path.length + 1).split('/')[0] ?? '')),
        ].filter((name) => name !== '');
      },
      sync: async () => {},
      directories: async (path) => {
        const parts = under(path).map((each) => each.slice(path.length + 1).split('/'));
        return [...new Set(parts.filter(({ length }) => length > 1).map(([first = '']) => first))];
      },
      stat: async (path) =>
        under(path).length === 0
          ? undefined
          : { kind: 'File', sizeBytes: 0, usedBytes: 0, mode: 0o600, uid: 0, gid: 0, modifiedMs: 0 },
    };
    return files as World['files'];
  }

  private processes(): World['processes'] {
    const find = (identity: ProcessIdentity) =>
      this.living().find((machine) => JSON.stringify(machine.identity) === JSON.stringify(identity));
    const processes: Partial<World['processes']> = {
      pipe: () => {
        throw new Error('nothing is piped here');
      },
      spawnDetached: async (argv) => {
        const identity = {
          pid: 100 + this.machines.length,
          startTicks: this.machines.length,
          bootId: this.bootId,
        };
        this.machines.push({ identity, argv, status: 'prelaunch', ran: false, alive: true });
        for (const path of monitorsOf(argv)) this.contents.set(path, 'socket');
        return { identity, exited: new Promise<number>(() => {}) };
      },
      identify: async (pid) => this.living().find(({ identity }) => identity.pid === pid)?.identity,
      isAlive: async (identity) => find(identity) !== undefined,
      signal: async (identity) => {
        const machine = find(identity);
        if (machine !== undefined) this.end(machine);
        return machine !== undefined;
      },
    };
    return processes as World['processes'];
  }

  private cgroups(): Cgroups {
    const members = (id: string) =>
      [...(this.groups.get(id) ?? [])].filter((pid) => this.machine(pid) !== undefined);
    const cgroups: Partial<Cgroups> = {
      create: async (id) => void this.groups.set(id, this.groups.get(id) ?? new Set()),
      enter: async (id, pid) => void this.groups.get(id)?.add(pid),
      members: async (id) => members(id),
      glance: async (id) => members(id),
      killAll: async (id) => {
        for (const pid of members(id)) this.end(this.machine(pid));
      },
      remove: async (id) => void this.groups.delete(id),
    };
    return cgroups as Cgroups;
  }

  private machine(pid: number): Machine | undefined {
    return this.living().find(({ identity }) => identity.pid === pid);
  }

  /** A process that ends leaves its sockets behind. */
  end(machine: Machine | undefined): void {
    if (machine !== undefined) machine.alive = false;
  }

  private async connect(path: string): Promise<Duplex> {
    const machine = this.living().find(({ argv }) => monitorsOf(argv).includes(path));
    if (machine === undefined) {
      throw Object.assign(new Error(`nobody at ${path}`), {
        code: this.contents.has(path) ? 'ECONNREFUSED' : 'ENOENT',
      });
    }
    const [toClient, toServer] = [new PassThrough(), new PassThrough()];
    const say = (message: unknown) => void toClient.write(`${JSON.stringify(message)}\n`);
    toServer.on('data', (chunk: Buffer) => {
      for (const line of chunk
        .toString()
        .split('\n')
        .filter((each) => each !== '')) {
        const { execute, id } = JSON.parse(line) as { execute: string; id: number };
        if (!machine.alive) toClient.end();
        else say({ id, return: this.answer(machine, execute) });
        if (execute === 'quit') toClient.end();
      }
    });
    say({ QMP: { capabilities: [] } });
    return Duplex.from({ readable: toClient, writable: toServer });
  }

  private answer(machine: Machine, command: string): unknown {
    if (command === 'query-status') return { status: machine.status };
    if (command === 'query-uuid') return { UUID: machine.argv[machine.argv.indexOf('-uuid') + 1] };
    if (command === 'query-chardev') return [];
    if (command === 'cont') Object.assign(machine, { status: 'running', ran: true });
    if (command === 'quit') this.end(machine);
    return {};
  }
}

function monitorsOf(argv: readonly string[]): string[] {
  return argv.flatMap((argument) => /^socket,id=char-monitor2?,path=([^,]+)/.exec(argument)?.[1] ?? []);
}

/** Time passes only while somebody sleeps, and then at once. */
function hurriedClock(): Clock {
  let elapsedMs = 0;
  return {
    now: () => elapsedMs,
    monotonic: () => elapsedMs,
    sleep: async (ms) => {
      elapsedMs += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
    after: () => () => {},
  };
}

/** Counts the calls; the fatal one and all later ones never come back. */
function mortal<Port extends object>(port: Port, death: Death | undefined): Port {
  if (death === undefined) return port;
  const never = new Promise<never>(() => {});
  return new Proxy(port, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...given: unknown[]) => {
        death.countdown -= 1;
        if (death.countdown > 0) return member(...given);
        if (death.countdown === 0 && !death.before) await member(...given);
        death.died();
        return never;
      };
    },
  });
}
