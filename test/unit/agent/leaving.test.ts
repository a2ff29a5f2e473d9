/** A host that goes down: its guests end in order, its life with them, and nothing of that life ever runs again. */
import { describe, expect, it } from 'vitest';
import type { KeeperLink } from '../../../src/agent/guarding.ts';
import { ClusterPolicy } from '../../../src/api/kinds/clusterPolicy.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Life } from '../../../src/keeper/contract.ts';
import { createCrasher } from './crasher.ts';
import { createLab, type Lab, type RunningAgent } from './lab.ts';

const LIFE = { bootID: 'boot-1', term: 1 };
const NEXT = { bootID: 'boot-1', term: 2 };

/** A keeper that outlives agents; what stood on the host when it retired is kept. */
function createKeeper(stands: () => number) {
  const keeper = { life: LIFE as Life, guarded: new Map<string, string>(), stoodAtEnd: [] as number[] };
  const link: KeeperLink = {
    state: async () => ({
      ...{ life: keeper.life, isOpen: true, watchdog: 'None' as const },
      guarded: [...keeper.guarded],
    }),
    guard: async (key, id) => {
      keeper.guarded.set(key, id);
      return keeper.life;
    },
    release: async (key) => void keeper.guarded.delete(key),
    retire: async () => {
      if (keeper.guarded.size > 0) throw new Error('this life is not over yet');
      keeper.stoodAtEnd.push(stands());
      const over = keeper.life;
      keeper.life = { ...over, term: over.term + 1 };
      return over;
    },
    end: async () => {},
  };
  return { keeper, link };
}

const isUp = (lab: Lab, name: string) => () => lab.conditionOf(lab.machine(name), 'Ready')?.status === 'True';
const shutdown = (lab: Lab) => lab.host()?.status?.shutdown;
const starts = (lab: Lab, name: string) => lab.starts(lab.idOf('VirtualMachine', name));

const admit = (lab: Lab, name: string, { term }: Life, epoch: number) =>
  lab.patchStatus(VirtualMachine, name, {
    placement: { host: 'h1', epoch, since: '2026-01-01T00:00:00Z', bootID: 'boot-1', term },
    ha: { state: 'Starting', epoch },
  });

/** What the manager makes of the host. */
const record = (lab: Lab, state: string, life: Life) =>
  lab.user.mergePatch(Host, { name: 'h1' }, { status: { ha: { state, life } } }, { subresource: 'status' });

/** `db` with ha and `web` without it run. */
async function running(spec = {}, writeOutShared?: () => Promise<void>, crasher = createCrasher()) {
  const found: { lab?: Lab } = {};
  const { keeper, link } = createKeeper(() => found.lab?.executing() ?? 0);
  const lab = createLab({ keeper: link, ...(writeOutShared === undefined ? {} : { writeOutShared }) });
  found.lab = lab;
  lab.user.seed(ClusterPolicy, {
    ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'ClusterPolicy', metadata: { name: 'default' }, spec: {} },
  });
  lab.createPool('local');
  lab.createMachine('db', { ha: {} });
  lab.createMachine('web', spec);
  await admit(lab, 'db', LIFE, 1);
  const agent = await lab.start(crasher);
  await lab.until('both run', () => isUp(lab, 'db')() && isUp(lab, 'web')());
  return { lab, keeper, agent };
}

/** What `main` does at SIGTERM: the agent leaves, and then ends. */
async function goDown(lab: Lab, agent: RunningAgent, limitMs = 600_000): Promise<void> {
  let isOver = false;
  void agent.leave('PowerOff').then(() => {
    isOver = true;
  });
  for (let passed = 0; !isOver && passed < limitMs; passed += 500) await lab.clock.advance(500);
  expect(isOver).toBe(true);
  await agent.stop();
}

describe('a host that goes down', () => {
  it('shuts all guests down, ends its life when they are gone, and says so', async () => {
    const { lab, keeper, agent } = await running();
    await goDown(lab, agent);
    expect([lab.executing(), keeper.stoodAtEnd]).toEqual([0, [0]]);
    expect(shutdown(lab)).toMatchObject({ kind: 'PowerOff', ...LIFE });
    expect(shutdown(lab)?.stoppedAt).toBeDefined();
    expect(lab.host()?.status?.keeper).toMatchObject(LIFE);
  });

  it('starts nobody from the moment it is announced', async () => {
    const { lab, agent } = await running({ shutdown: { timeoutSeconds: 30 } });
    void agent.leave('Reboot');
    await lab.until('it is announced', () => shutdown(lab) !== undefined);
    lab.createMachine('late');
    await lab.clock.advance(30_000);
    expect(starts(lab, 'late')).toBe(0);
    await agent.stop();
  });

  it('starts nobody in the same boot before another life is on record, and then as before', async () => {
    const { lab, agent } = await running();
    await goDown(lab, agent);
    await record(lab, 'Offline', LIFE);
    const next = await lab.start();
    await lab.clock.advance(60_000);
    expect([starts(lab, 'db'), starts(lab, 'web'), lab.executing()]).toEqual([1, 1, 0]);
    expect(shutdown(lab)?.stoppedAt).toBeDefined();
    await record(lab, 'Online', NEXT);
    await lab.until('the word is taken back', () => shutdown(lab) === undefined);
    await lab.until('web runs', isUp(lab, 'web'));
    await lab.clock.advance(10_000);
    expect(starts(lab, 'db')).toBe(1);
    await admit(lab, 'db', NEXT, 2);
    await lab.until('db runs', isUp(lab, 'db'));
    await next.stop();
  });

  it('does not say it while a guest will not go', async () => {
    const { lab, keeper, agent } = await running({ shutdown: { timeoutSeconds: 10, force: 'Never' } });
    lab.faults[lab.idOf('VirtualMachine', 'web')] = { ignoreShutdown: true };
    await goDown(lab, agent);
    expect([lab.executing(), keeper.stoodAtEnd]).toEqual([1, []]);
    expect(shutdown(lab)).toMatchObject(LIFE);
    expect(shutdown(lab)?.stoppedAt).toBeUndefined();
  });

  it('says it although a rollback has begun that nobody can finish, for the object of its guest was torn out', async () => {
    const crasher = createCrasher();
    const { lab, keeper, agent } = await running(
      { disks: [{ name: 'data', pool: 'local', size: '1Gi', format: 'qcow2' }] },
      undefined,
      crasher,
    );
    const web = lab.idOf('VirtualMachine', 'web');
    const isChanging = () => (lab.record(web)?.lock as { changing?: true } | undefined)?.changing === true;
    lab.createSnapshot('first', { kind: 'VirtualMachine', name: 'web' });
    await lab.until('it is taken', () => lab.snapshot('first')?.status?.phase === 'Ready');
    lab.createRollback('back', 'first', { kind: 'VirtualMachine', name: 'web' }, { ifRunning: 'Stop' });
    await lab.until('it has begun', () => {
      if (isChanging()) crasher.kill();
      return isChanging();
    });
    await agent.stop();
    const ref = { namespace: 'default', name: 'web' };
    await lab.user.mergePatch(VirtualMachine, ref, { metadata: { finalizers: null } });
    await lab.remove(VirtualMachine, 'web');
    const next = await lab.start();
    await lab.until('the Host names it', () => lab.conditionOf(lab.host(), 'OrphanedGuests') !== undefined);
    await goDown(lab, next);
    expect([isChanging(), lab.executing(), keeper.stoodAtEnd]).toEqual([true, 0, [0]]);
    expect(shutdown(lab)?.stoppedAt).toBeDefined();
  });

  it('says it when what its guests wrote to shared storage is there, not before', async () => {
    const storage = { isThere: false, asked: 0 };
    const found: { lab?: Lab } = {};
    const { lab, keeper, agent } = await running({}, async () => {
      storage.asked += 1;
      expect(found.lab?.executing()).toBe(0);
      if (!storage.isThere) throw new Error('held back still');
    });
    found.lab = lab;
    const leaves = agent.leave('PowerOff');
    await lab.until('it is tried again', () => storage.asked > 3);
    expect([keeper.stoodAtEnd, shutdown(lab)?.stoppedAt]).toEqual([[], undefined]);
    storage.isThere = true;
    await lab.until('it is said', () => shutdown(lab)?.stoppedAt !== undefined);
    await leaves;
    await agent.stop();
  });

  it.each([
    ['does not answer', () => new Promise<void>(() => {})],
    ['fails', () => Promise.reject(new Error('Input/output error'))],
  ])('does not say it when its shared storage %s: then it counts as lost', async (_how, writeOut) => {
    const { lab, keeper, agent } = await running({}, writeOut);
    await goDown(lab, agent);
    expect([lab.executing(), keeper.stoodAtEnd]).toEqual([0, []]);
    expect(shutdown(lab)).toMatchObject(LIFE);
    expect(shutdown(lab)?.stoppedAt).toBeUndefined();
  });

  describe('with guests that depend on others', () => {
    const onDb = { dependsOn: [{ kind: 'VirtualMachine', name: 'db', condition: 'Ready' }] };
    const idOf = (lab: Lab, name: string) => lab.idOf('VirtualMachine', name);
    const executes = (lab: Lab, name: string) =>
      lab.lives('machines').some(({ id, state }) => id === idOf(lab, name) && state !== 'Off');

    it('shuts down what depends on others before those', async () => {
      const { lab, agent } = await running({ ...onDb, shutdown: { timeoutSeconds: 40 } });
      lab.faults[idOf(lab, 'web')] = { ignoreShutdown: true };
      const leaves = agent.leave('PowerOff');
      await lab.clock.advance(30_000);
      expect([executes(lab, 'web'), executes(lab, 'db')]).toEqual([true, true]);
      await lab.until('web is off', () => !executes(lab, 'web'));
      expect(executes(lab, 'db')).toBe(true);
      await lab.until('db is off', () => !executes(lab, 'db'));
      await lab.until('that is said', () => shutdown(lab)?.stoppedAt !== undefined);
      await leaves;
      await agent.stop();
    });

    it('shuts down those all the same when what depends on them will not go', async () => {
      const { lab, agent } = await running({ ...onDb, shutdown: { timeoutSeconds: 10, force: 'Never' } });
      lab.faults[idOf(lab, 'web')] = { ignoreShutdown: true };
      await goDown(lab, agent);
      expect([executes(lab, 'web'), executes(lab, 'db')]).toEqual([true, false]);
    });

    it('shuts down those that depend on each other side by side', async () => {
      const { lab, agent } = await running();
      for (const [name, other] of [
        ['db', 'web'],
        ['web', 'db'],
      ] as const)
        await lab.user.mergePatch(
          VirtualMachine,
          { namespace: 'default', name },
          { spec: { dependsOn: [{ kind: 'VirtualMachine', name: other, condition: 'Ready' }] } },
        );
      await lab.clock.advance(1_000);
      await goDown(lab, agent, 60_000);
      expect(lab.executing()).toBe(0);
    });
  });

  it('shuts them down although the API server is away, and then nothing is said', async () => {
    const { lab, agent } = await running();
    lab.api.intercept = async () => {
      throw new Error('away');
    };
    await goDown(lab, agent);
    delete lab.api.intercept;
    expect(lab.executing()).toBe(0);
    expect(shutdown(lab)).toBeUndefined();
  });

  it('leaves a guest under Manual off, as any end of its host does', async () => {
    const { lab, agent } = await running({ runStrategy: 'Always' });
    lab.createMachine('tool', { runStrategy: 'Manual' });
    lab.createOperation('go', 'Start', { kind: 'VirtualMachine', name: 'tool' });
    await lab.until('it runs', () => starts(lab, 'tool') === 1);
    await goDown(lab, agent);
    await record(lab, 'Online', NEXT);
    const next = await lab.start();
    await lab.until('web runs', () => starts(lab, 'web') === 2);
    await lab.clock.advance(10_000);
    expect(starts(lab, 'tool')).toBe(1);
    await next.stop();
  });

  it('is no host that goes down any more, if its agent died on the way and lives again', async () => {
    const { lab, agent } = await running();
    void agent.leave('Reboot');
    await lab.until('it is announced', () => shutdown(lab) !== undefined);
    await agent.stop();
    const next = await lab.start();
    await lab.until('the word is taken back', () => shutdown(lab) === undefined);
    await lab.until('both run', () => isUp(lab, 'db')() && isUp(lab, 'web')());
    await next.stop();
  });
});
