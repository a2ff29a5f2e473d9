/** A machine that writes moves between real hosts, with its disks, and everything that can break on the way breaks once. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { foundations, type Guest, machineGuest, WRITER_IMAGE, writer } from '../lab/guests.ts';
import { type Host, type Lab, openLab } from '../lab/lab.ts';
import { type Move, type MoveOptions, move, type Phase, settles } from '../lab/migrations.ts';
import { type Traces, traces } from '../lab/traces.ts';
import { buildWriterDisk, verifyDisk, type Writing } from '../lab/writer.ts';
import { until } from './harness/commands.ts';
import { type HostState, hostState } from './harness/host.ts';

const HOSTS = ['a', 'b'];
const images = join(tmpdir(), 'vireo-lab-images');
/** The guest's disks and memory take about ten seconds then. */
const SLOW = '12Mi';

type Scene = { move: Move; source: Host; target: Host };

/** What breaks; whatever it takes to have all programs running again is done when it returns. */
type Fault = {
  name: string;
  at: Phase;
  breaks(scene: Scene): Promise<void>;
  /** The guest's memory is lost with its process: it starts anew. */
  losesMemory?: true;
};

describe('a machine that writes', () => {
  let before: HostState;
  let lab: Lab;
  let guest: Guest;
  let empty: Map<string, Traces>;
  let moves = 0;

  beforeAll(async () => {
    await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
    lab = openLab({ name: 'vmove', directory: join(tmpdir(), 'vireo-lab-move'), network: 214, images });
    await lab.down();
    before = await hostState();
    await lab.up(HOSTS);
    await lab.apply(foundations(images));
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
    empty = new Map(
      await Promise.all(HOSTS.map(async (name) => [name, await traces(lab.host(name))] as const)),
    );
    await lab.apply(writer('writer'));
    guest = machineGuest(lab, 'writer');
    await settles(guest);
  });
  afterAll(() => lab?.down());

  /** Asks for a move to the other host. */
  async function begin(options: Omit<MoveOptions, 'to'> = {}): Promise<Scene> {
    const from = await guest.host();
    const to = HOSTS.find((name) => name !== from) ?? '';
    moves += 1;
    return {
      move: await move(lab, guest, `move-${moves}`, { ...options, to }),
      source: lab.host(from ?? ''),
      target: lab.host(to),
    };
  }

  /** Nothing of the guest is on the host it is not on. */
  const otherHostIsEmpty = async () => {
    const home = await guest.host();
    const other = HOSTS.find((name) => name !== home) ?? '';
    await expect
      .poll(() => traces(lab.host(other)), { timeout: 60_000, interval: 500 })
      .toEqual(empty.get(other));
  };

  it('goes to the other host while it runs: same boot, same address, nothing left behind', async () => {
    const wrote = await guest.writing();
    const { move: moving, target } = await begin({ type: 'Live' });
    expect(await moving.ends()).toMatchObject({ phase: 'Succeeded', targetHost: target.name });
    expect(await settles(guest)).toMatchObject({ host: target.name });
    expect(await guest.writing()).toMatchObject({ boot: wrote.boot });
    await otherHostIsEmpty();
  });

  it('goes back offline: stopped, moved, started', async () => {
    const wrote = await guest.writing();
    const { move: moving, target } = await begin({ type: 'Offline' });
    expect(await moving.ends()).toMatchObject({ phase: 'Succeeded', targetHost: target.name });
    expect(await settles(guest)).toMatchObject({ host: target.name });
    const after = await guest.writing();
    expect(after.boot).not.toBe(wrote.boot);
    expect(after.number).toBeGreaterThan(wrote.number);
    await otherHostIsEmpty();
  });

  const restart = async ({ agent }: Host) => {
    await agent.kill();
    await agent.start();
  };
  const killInstance = async (host: Host) => {
    const found = (await guest.instances()).find((instance) => instance.host === host.name);
    if (found === undefined) throw new Error(`no instance on ${host.name}`);
    process.kill(found.pid, 'SIGKILL');
  };
  const away = async (forMs: number) => {
    const since = Date.now();
    await until(`${forMs} ms have passed`, async () => Date.now() - since > forMs, forMs + 10_000, 500);
  };

  const FAULTS: Fault[] = [
    { name: 'the source agent is killed', at: 'Preparing', breaks: ({ source }) => restart(source) },
    { name: 'the source agent is killed', at: 'Copying', breaks: ({ source }) => restart(source) },
    { name: 'the source agent is killed', at: 'Synchronizing', breaks: ({ source }) => restart(source) },
    { name: 'the target agent is killed', at: 'Preparing', breaks: ({ target }) => restart(target) },
    { name: 'the target agent is killed', at: 'Copying', breaks: ({ target }) => restart(target) },
    { name: 'the target agent is killed', at: 'Synchronizing', breaks: ({ target }) => restart(target) },
    {
      name: 'the source QEMU is killed',
      at: 'Copying',
      breaks: ({ source }) => killInstance(source),
      losesMemory: true,
    },
    { name: 'the target QEMU is killed', at: 'Copying', breaks: ({ target }) => killInstance(target) },
    {
      name: 'the link is cut for a quarter of a minute',
      at: 'Copying',
      breaks: async ({ source, target }) => {
        await lab.cut(source.name, target.name);
        await away(15_000).finally(lab.mend);
      },
    },
    {
      name: 'the link is cut until the move is given up',
      at: 'Copying',
      breaks: async ({ source, target, move: moving }) => {
        await lab.cut(source.name, target.name);
        await moving.ends().finally(lab.mend);
      },
    },
    {
      name: 'the API server is gone for half a minute',
      at: 'Copying',
      breaks: async () => {
        await lab.apiserver.kill();
        await away(30_000);
        await lab.apiserver.start();
      },
    },
    {
      name: 'the object is deleted',
      at: 'Copying',
      breaks: async ({ move: moving }) => {
        await lab.kubectl('delete', '--timeout=60s', `mig/${moving.name}`);
      },
    },
  ];

  describe('is moved slowly, and meanwhile', () => {
    let wrote: Writing;
    beforeEach(async () => {
      wrote = await guest.writing();
    });

    for (const { name, at, breaks, losesMemory } of FAULTS) {
      it(`${name} in phase ${at}: it runs once, and nothing is left over`, async () => {
        const scene = await begin({ type: 'Live', bandwidth: SLOW });
        await scene.move.reaches(at);
        await breaks(scene);
        await scene.move.ends();
        await settles(guest);
        const now = await guest.writesOn(wrote);
        if (losesMemory !== true) expect(now.boot).toBe(wrote.boot);
        await otherHostIsEmpty();
      });
    }
  });

  it('has lost no write in all this, and leaves nothing when it is deleted', async () => {
    await lab.kubectl('patch', guest.name, '--type=merge', '-p', '{"spec":{"runStrategy":"Halted"}}');
    await until('it is off', async () => (await guest.instances()).length === 0);
    expect((await verifyDisk(await guest.dataDisk())).number).toBeGreaterThan(1);
    await lab.kubectl('delete', '--timeout=60s', 'vm', '--all');
    for (const [name, was] of empty) {
      await expect.poll(() => traces(lab.host(name)), { timeout: 20_000 }).toEqual(was);
    }
    await lab.down();
    expect(await hostState()).toEqual(before);
  });
});
