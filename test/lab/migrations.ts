/** Moves of guests as the stories of a lab speak of them: asked for, seen step by step, ended, and what must hold whatever happened. */
import { until } from '../e2e/harness/commands.ts';
import type { Guest, Instance } from './guests.ts';
import type { Lab } from './lab.ts';

export type MigrationStatus = {
  phase?: string;
  type?: string;
  mode?: string;
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
  /** Nothing slows the guest down then, so that it comes to that. */
  allowPostCopy?: boolean;
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

/** The move has ended before it came to the phase that was waited for. */
export class OverEarly extends Error {}

const PHASES = ['Pending', 'Preparing', 'Copying', 'Synchronizing', 'HandingOver'] as const;
export type Phase = (typeof PHASES)[number];
const ORDER: readonly (string | undefined)[] = PHASES;

/** Longer than the longest patience of the product plus an API server that is away for half a minute, on a machine with much else to do. */
const END_MS = 300_000;

export async function move(
  lab: Lab,
  guest: { readonly name: string },
  name: string,
  options: MoveOptions,
): Promise<Move> {
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
  ${options.allowPostCopy === true ? 'allowPostCopy: true\n  autoConverge: false' : ''}
`);

  const status = async () => {
    const found = await lab.find<{ status?: MigrationStatus }>('mig', name);
    return found === undefined ? undefined : (found.status ?? {});
  };

  return {
    name,
    status,
    reaches: async (phase) => {
      const wanted = ORDER.indexOf(phase);
      const last = await until(
        `${name} is ${phase}`,
        async () => {
          const now = await status();
          return (now?.completedAt !== undefined || ORDER.indexOf(now?.phase) >= wanted) && now;
        },
        END_MS,
      );
      if (last?.completedAt !== undefined)
        throw new OverEarly(`${name} is over before ${phase}: ${last.phase} ${last.message}`);
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
