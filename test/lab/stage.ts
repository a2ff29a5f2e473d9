/**
 * The stage for stories of one machine that writes and two hosts it moves between, over and over: each story begins with the machine at home
 * and the other host empty, and must end so, whatever broke.
 */
import { isDeepStrictEqual } from 'node:util';
import { until } from '../e2e/harness/commands.ts';
import { type Case, nameOf, type Step } from './faults.ts';
import { foundations, type Guest, machineGuest, writer } from './guests.ts';
import { type Host, type Lab, openLab } from './lab.ts';
import { type Move, type MoveOptions, move, OverEarly, settles } from './migrations.ts';
import { report } from './report.ts';
import { type Traces, traces } from './traces.ts';
import { witness } from './witness.ts';

const HOSTS = ['a', 'b'] as const;
/** Disks and memory of the guest take some seconds each then. */
const SLOW = '16Mi';
/** Room for both volumes twice over, and little enough to be filled at once. */
const DISK_BYTES = 256 * 1024 * 1024;
/** What was made for a move goes when both sides have spoken; a host that was cut off takes the longest. */
const CLEAN_MS = 180_000;
/** A target that is cut off before its memory has come counts as away after a while: on a machine with much else to do it is tried again. */
const TRIES = 5;

export type Scene = {
  stage: Stage;
  move: Move;
  source: Host;
  target: Host;
  /** Undoes what holds the move at its step. */
  mend(): Promise<void>;
};

export type Stage = {
  readonly lab: Lab;
  readonly guest: Guest;
  /** Asks for a move to the other host. */
  begin(options?: Omit<MoveOptions, 'to'>): Promise<Scene>;
  /** Nothing of the guest is on the host it is not on. */
  untilOtherIsEmpty(): Promise<void>;
  /** Everything is in order for the next story: the guest as it is, or made anew after a story that failed. */
  ready(): Promise<void>;
  /** Switches the guest off, looks at its second disk, and switches it on again. */
  whileOff(look: (disk: string) => Promise<unknown>): Promise<void>;
  /** What there is to see now. */
  report(): Promise<string>;
  /** What was on the hosts before the guest came. */
  readonly empty: ReadonlyMap<string, Traces>;
};

/** Sets up a lab and the guest in it. `images` holds the writer's disk. */
export async function openStage(options: {
  name: string;
  network: number;
  directory: string;
  images: string;
}) {
  const lab = openLab({ ...options, diskBytes: DISK_BYTES });
  const { images } = options;
  await lab.down();
  await lab.up(HOSTS);
  await lab.apply(foundations(images));
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
  const empty = new Map(
    await Promise.all(HOSTS.map(async (name) => [name, await traces(lab.host(name))] as const)),
  );
  return createStage(lab, empty);
}

function createStage(lab: Lab, empty: ReadonlyMap<string, Traces>): Stage {
  let guest = machineGuest(lab, 'writer');
  let moves = 0;
  let last: string | undefined;

  const otherThan = (name: string | undefined) => HOSTS.find((host) => host !== name) ?? '';

  async function untilEmpty(name: string): Promise<void> {
    let seen: Traces | undefined;
    const isEmpty = async () => {
      seen = await traces(lab.host(name));
      return isDeepStrictEqual(seen, empty.get(name));
    };
    await until(`${name} is empty`, isEmpty, CLEAN_MS, 250).catch((error: unknown) => {
      throw new Error(`on ${name} is left: ${JSON.stringify(seen)}`, { cause: error });
    });
  }

  const untilOnline = () =>
    until(
      'both hosts are Online',
      async () => {
        const { items } = await lab.get<{ items: { status?: { state?: string } }[] }>('vhost');
        return items.every(({ status }) => status?.state === 'Online');
      },
      CLEAN_MS,
    );

  /** From nothing: whatever a failed story has left is ended by power cuts, and the guest is deleted. */
  async function renew(): Promise<void> {
    await lab.mend();
    for (const service of [lab.apiserver, lab.manager]) {
      if ((await service.pid()) === undefined) await service.start();
    }
    for (const name of HOSTS) {
      await lab.host(name).freeDisk();
      await lab.host(name).powerCut();
      await lab.start(name);
    }
    await lab.kubectl('delete', '--ignore-not-found', '--timeout=60s', 'mig', '--all');
    await lab.kubectl('delete', '--ignore-not-found', '--timeout=60s', 'vm', '--all');
    for (const name of HOSTS) await untilEmpty(name);
    await untilOnline();
    await create();
  }

  async function create(): Promise<void> {
    await lab.apply(writer('writer'));
    guest = machineGuest(lab, 'writer');
    await settles(guest);
  }

  const stage: Stage = {
    lab,
    empty,
    get guest() {
      return guest;
    },
    begin: async (options = {}) => {
      const from = await guest.host();
      const to = otherThan(from);
      moves += 1;
      last = `move-${moves}`;
      return {
        stage,
        move: await move(lab, guest, last, { ...options, to }),
        source: lab.host(from ?? ''),
        target: lab.host(to),
        mend: lab.mend,
      };
    },
    untilOtherIsEmpty: async () => untilEmpty(otherThan(await guest.host())),
    ready: async () => {
      // A story that failed may have left a cut, a full disk, or nobody to answer.
      await lab.mend();
      const isOnline = await untilOnline().then(
        () => true,
        () => false,
      );
      if (!isOnline) return renew();
      if ((await lab.find('vm', 'writer')) === undefined) return create();
      const isWell = await guest.writing().then(
        async () => (await guest.instances()).length === 1,
        () => false,
      );
      if (!isWell) await renew();
    },
    whileOff: async (look) => {
      const halt = (strategy: string) =>
        lab.kubectl('patch', guest.name, '--type=merge', '-p', `{"spec":{"runStrategy":"${strategy}"}}`);
      await halt('Halted');
      await until(`${guest.name} is off`, async () => (await guest.instances()).length === 0);
      await look(await guest.dataDisk());
      await halt('Always');
      await settles(guest);
    },
    report: () => report(lab, ['vm/writer', ...(last === undefined ? [] : [`mig/${last}`])]),
  };
  return stage;
}

/**
 * One story: a slow live move, a fault at a step of it, and what must hold then: the guest runs once, where its placement says, with its
 * memory unless that was lost, writes on, and nothing of it is left on the other host.
 */
export async function survives(stage: Stage, { fault, step }: Case): Promise<void> {
  const { guest } = stage;
  const wrote = await guest.writing();
  const { heard, end } = witness(guest);
  try {
    const scene = await reachStep(stage, step);
    await fault.breaks(scene);
    await scene.mend();
    await scene.move.ends();
    await settles(guest);
    const now = await guest.writesOn(wrote);
    if (now.boot !== wrote.boot && fault.losesMemory?.includes(step) !== true) {
      const what = `${nameOf({ fault, step })}: the guest has lost its memory and started anew`;
      throw new Error(`${what}; what was heard of it:\n${heard()}`);
    }
    await stage.untilOtherIsEmpty();
  } finally {
    end();
  }
}

/** A move that is at the step, slow enough to stay there for a while. */
async function reachStep(stage: Stage, step: Step): Promise<Scene> {
  if (step !== 'HandingOver') {
    const scene = await stage.begin({ type: 'Live', bandwidth: SLOW });
    await scene.move.reaches(step);
    return scene;
  }
  // The target does not learn that the guest is its own, so the hand-over lasts until it is mended, and the guest stands still on both hosts.
  // All before it goes as fast as it can: a target that is not heard of for half a minute counts as away.
  for (let tries = 1; ; tries += 1) {
    const scene = await stage.begin({ type: 'Live' });
    await scene.move.reaches('Copying');
    await stage.lab.cut(scene.target.name, stage.lab.control.name);
    try {
      await scene.move.reaches('HandingOver');
      return scene;
    } catch (error) {
      await scene.mend();
      if (!(error instanceof OverEarly) || tries === TRIES) throw error;
      await stage.untilOtherIsEmpty();
    }
  }
}
