/** Moves of guests as the stories of a lab speak of them: asked for, seen step by step, ended, and what must hold whatever happened. */
import { until } from '../e2e/harness/commands.ts';
import type { Guest, Instance } from './guests.ts';
import type { Lab } from './lab.ts';

export type MigrationStatus = {
  phase?: string;
  type?: string;
  sourceHost?: string;
  targetHost?: string;
  completedAt?: string;
  message?: string;
  downtimeMilliseconds?: number;
  totalMilliseconds?: number;
  conditions?: { type: string; status: string; reason: string; message?: string }[];
};

export type MoveOptions = {
  to: string;
  type?: 'Auto' | 'Live' | 'Offline';
  /** Bytes per second as a quantity: slow enough to do something meanwhile. */
  bandwidth?: string;
};

export type Move = {
  readonly name: string;
  /** Undefined once it is deleted. */
  status(): Promise<MigrationStatus | undefined>;
  /** Waits until it has come to this phase, or past it. */
  reaches(phase: Phase): Promise<void>;
  /** Waits for its end, or until it is gone. */
  ends(): Promise<MigrationStatus | undefined>;
};

const PHASES = ['Pending', 'Preparing', 'Copying', 'Synchronizing', 'HandingOver'] as const;
export type Phase = (typeof PHASES)[number];
const ORDER: readonly (string | undefined)[] = PHASES;

/** Longer than the longest patience of the product plus an API server that is away for half a minute. */
const END_MS = 120_000;

export async function move(lab: Lab, guest: Guest, name: string, options: MoveOptions): Promise<Move> {
  const [kind, guestName] = guest.name.split('/');
  await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Migration
metadata: {name: ${name}, namespace: default}
spec:
  guest: {kind: ${kind === 'vm' ? 'VirtualMachine' : 'Container'}, name: ${guestName}}
  targetHost: ${options.to}
  type: ${options.type ?? 'Auto'}
  ${options.bandwidth === undefined ? '' : `bandwidth: ${options.bandwidth}`}
`);

  async function status(): Promise<MigrationStatus | undefined> {
    const { code, stdout, stderr } = await lab.tryKubectl('get', `mig/${name}`, '-o', 'json');
    if (code !== 0 && stderr.includes('NotFound')) return undefined;
    if (code !== 0) throw new Error(stderr);
    const { status: found = {} } = JSON.parse(stdout) as { status?: MigrationStatus };
    return found;
  }

  return {
    name,
    status,
    reaches: async (phase) => {
      const wanted = ORDER.indexOf(phase);
      await until(`${name} is ${phase}`, async () => {
        const now = await status();
        if (now?.completedAt !== undefined)
          throw new Error(`it is over before ${phase}: ${now.phase} ${now.message}`);
        return ORDER.indexOf(now?.phase) >= wanted;
      });
    },
    ends: async () => {
      let last: MigrationStatus | undefined;
      await until(
        `${name} is over`,
        async () => {
          last = await status();
          return last === undefined || last.completedAt !== undefined;
        },
        END_MS,
        250,
      );
      return last;
    },
  };
}

/** Waits until the guest is where the API says, in one instance, writing, and gives that instance. */
export async function settles(guest: Guest): Promise<Instance> {
  const wrote = await guest.writing();
  await guest.writesOn(wrote);
  return until(
    `${guest.name} runs once, where its placement says`,
    async () => {
      const [host, found] = [await guest.host(), await guest.instances()];
      const [only] = found;
      return found.length === 1 && only !== undefined && only.host === host && only;
    },
    END_MS,
  );
}
