/** Everything that can break while a machine moves, at each step of the move. What a fault breaks is whole again when it returns. */
import { until } from '../e2e/harness/commands.ts';
import type { Host } from './lab.ts';
import type { Phase } from './migrations.ts';
import type { Scene } from './stage.ts';

export const STEPS = ['Preparing', 'Copying', 'Synchronizing', 'HandingOver'] as const;
export type Step = (typeof STEPS)[number] & Phase;

export type Fault = {
  name: string;
  breaks(scene: Scene): Promise<void>;
  /** At these steps the guest's memory is lost with its process: it starts anew. */
  losesMemory?: readonly Step[];
  /** Absent: at every step. */
  at?: readonly Step[];
};

/** With the way between target and control plane mended in the meantime, if the step has cut it. */
const restart = async ({ agent }: Host, meanwhile: () => Promise<void>) => {
  await agent.kill();
  await meanwhile();
  await agent.start();
};

/** The target's is made while the move is prepared. */
async function killInstance({ stage: { guest }, move }: Scene, { name }: Host): Promise<void> {
  const found = await until(`${guest.name} has a process on ${name}, or the move is over`, async () => {
    const instance = (await guest.instances()).find(({ host }) => host === name);
    return instance ?? ((await move.status())?.completedAt !== undefined && 'over');
  });
  if (found === 'over') throw new Error(`the move was over before there was a process on ${name}`);
  process.kill(found.pid, 'SIGKILL');
}

export async function away(forMs: number): Promise<void> {
  const since = Date.now();
  await until(`${forMs} ms have passed`, async () => Date.now() - since > forMs, forMs + 10_000, 250);
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'the source agent is killed',
    breaks: ({ source, mend }) => restart(source, mend),
  },
  {
    name: 'the target agent is killed',
    breaks: ({ target, mend }) => restart(target, mend),
  },
  {
    name: 'the source QEMU is killed',
    breaks: (scene) => killInstance(scene, scene.source),
    // After the hand-over all of it is on the target.
    losesMemory: ['Preparing', 'Copying', 'Synchronizing'],
  },
  {
    name: 'the target QEMU is killed',
    breaks: (scene) => killInstance(scene, scene.target),
  },
  {
    name: 'the link between the hosts is cut for ten seconds',
    breaks: async ({ stage: { lab }, source, target }) => {
      await lab.cut(source.name, target.name);
      await away(10_000).finally(lab.mend);
    },
  },
  {
    name: 'the link between the hosts is cut until the move is given up',
    breaks: async ({ stage: { lab }, source, target, move }) => {
      await lab.cut(source.name, target.name);
      await move.ends().finally(lab.mend);
    },
    at: ['Copying'],
  },
  {
    name: 'the API server is gone for half a minute',
    breaks: async ({ stage: { lab }, mend }) => {
      await lab.apiserver.kill();
      await mend();
      await away(30_000);
      await lab.apiserver.start();
    },
  },
  {
    name: "the target's disk is full for ten seconds",
    breaks: async ({ target, mend }) => {
      await target.fillDisk();
      await mend();
      await away(10_000).finally(target.freeDisk);
    },
  },
  {
    name: 'the object is deleted',
    breaks: async ({ stage: { lab }, move, mend }) => {
      await lab.kubectl('delete', '--wait=false', `mig/${move.name}`);
      await mend();
    },
  },
];

export type Case = { fault: Fault; step: Step };

/** Each fault at each step. */
export const ALL_CASES: readonly Case[] = FAULTS.flatMap((fault) =>
  (fault.at ?? STEPS).map((step) => ({ fault, step })),
);

export function nameOf({ fault, step }: Case): string {
  return `${fault.name} in phase ${step}`;
}
