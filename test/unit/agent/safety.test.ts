import { describe, expect, it } from 'vitest';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { MemoryRequest } from '../../../src/client/memory.ts';
import { createLab, type Lab } from './lab.ts';

const ready = (lab: Lab, name = 'web') => lab.conditionOf(lab.machine(name), 'Ready');
const idOf = (lab: Lab, name = 'web') => lab.idOf('VirtualMachine', name);
const lives = (lab: Lab, name = 'web') => lab.lives('machines').find(({ id }) => id === idOf(lab, name));

/** A host on which the machine web runs. */
async function labWithWeb() {
  const lab = createLab();
  lab.createMachine('web');
  const agent = await lab.start();
  await lab.until('web is Ready', () => ready(lab)?.status === 'True');
  return { lab, agent };
}

describe('a control plane that went back in time', () => {
  it('gets nothing started, is named on the Host, and running guests run on', async () => {
    const { lab, agent } = await labWithWeb();
    lab.setCluster('c1', 5);
    await lab.clock.advance(1_000);
    lab.setCluster('c1', 3);
    lab.createMachine('new');
    await lab.until(
      'the Host says so',
      () => lab.conditionOf(lab.host(), 'ControlPlaneRolledBack')?.status === 'True',
    );
    await lab.clock.advance(120_000);
    expect(ready(lab, 'new')).toMatchObject({ status: 'False', reason: 'ControlPlaneRolledBack' });
    expect(lab.lives('machines')).toHaveLength(1);
    expect(lives(lab)?.state).toBe('Running');
    expect(lab.host()?.status?.incarnation).toBe(5);
    expect(lab.conditionOf(lab.host(), 'AgentReady')?.status).toBe('False');

    lab.setCluster('c1', 6);
    await lab.until('new is Ready', () => ready(lab, 'new')?.status === 'True');
    expect(lab.conditionOf(lab.host(), 'ControlPlaneRolledBack')).toBeUndefined();
    await agent.stop();
  });

  it('is remembered over a restart of the agent', async () => {
    const { lab, agent } = await labWithWeb();
    await agent.stop();
    lab.setCluster('another', 9);
    lab.createMachine('new');
    const next = await lab.start();
    await lab.until(
      'the Host says so',
      () => lab.conditionOf(lab.host(), 'ControlPlaneRolledBack')?.reason === 'OtherCluster',
    );
    await lab.clock.advance(60_000);
    expect(lab.lives('machines')).toHaveLength(1);
    await next.stop();
  });

  it('is found out by an epoch below the record, until the manager claims the guest anew', async () => {
    const { lab, agent } = await labWithWeb();
    await lab.patchStatus(VirtualMachine, 'web', lab.placed(4));
    await lab.until('the record has epoch 4', () => lab.record(idOf(lab))?.epoch === 4);
    await lab.patchStatus(VirtualMachine, 'web', lab.placed(2));
    await lab.until(
      'the Host says so',
      () => lab.conditionOf(lab.host(), 'ControlPlaneRolledBack')?.reason === 'EpochBehind',
    );
    lab.createMachine('new');
    await lab.clock.advance(30_000);
    expect(lab.lives('machines')).toHaveLength(1);

    await lab.patchStatus(VirtualMachine, 'web', lab.placed(5));
    await lab.until(
      'both are Ready',
      () => ready(lab)?.status === 'True' && ready(lab, 'new')?.status === 'True',
    );
    expect(lab.starts(idOf(lab))).toBe(1);
    await agent.stop();
  });

  it('removes nothing while it is not believed', async () => {
    const { lab, agent } = await labWithWeb();
    lab.setCluster('c1', 0);
    await lab.remove(VirtualMachine, 'web');
    await lab.clock.advance(120_000);
    expect(lives(lab)?.state).toBe('Running');
    await agent.stop();
  });
});

describe('a guest that left the watch', () => {
  it('runs on when all its status was deleted, and is adopted as it is when it is placed again', async () => {
    const { lab, agent } = await labWithWeb();
    await lab.patchStatus(VirtualMachine, 'web', null);
    await lab.clock.advance(60_000);
    expect(lives(lab)?.state).toBe('Running');
    await lab.patchStatus(VirtualMachine, 'web', lab.placed(2));
    await lab.until('web is Ready again', () => ready(lab)?.status === 'True');
    expect(lab.starts(idOf(lab))).toBe(1);
    expect(lab.machine('web')?.status).toMatchObject({ phase: 'Running', placement: { epoch: 2 } });
    await lab.until('the inventory has the new epoch', () => lab.host()?.status?.guests?.[0]?.epoch === 2);
    await agent.stop();
  });

  it('is ended, and keeps what it has, when the manager moved it to another host', async () => {
    const { lab, agent } = await labWithWeb();
    await lab.patchStatus(VirtualMachine, 'web', lab.placed(2, 'h2'));
    await lab.until('it is off', () => lives(lab)?.state === 'Off');
    await lab.clock.advance(60_000);
    expect(lab.record(idOf(lab))).toMatchObject({ released: true });
    expect(lab.starts(idOf(lab))).toBe(1);
    await agent.stop();
  });

  it('runs on when the word that moves it is older than ours', async () => {
    const { lab, agent } = await labWithWeb();
    await lab.patchStatus(VirtualMachine, 'web', lab.placed(1, 'h2'));
    await lab.clock.advance(60_000);
    expect(lives(lab)?.state).toBe('Running');
    await agent.stop();
  });

  it('is reported and left alone when its object was torn out', async () => {
    const { lab, agent } = await labWithWeb();
    await lab.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { metadata: { finalizers: null } },
    );
    await lab.remove(VirtualMachine, 'web');
    await lab.until('the Host names it', () => lab.conditionOf(lab.host(), 'OrphanedGuests') !== undefined);
    expect(lab.conditionOf(lab.host(), 'OrphanedGuests')?.message).toContain('default/web');
    expect(lives(lab)?.state).toBe('Running');
    await agent.stop();
  });

  it('is found by an agent that starts later, too', async () => {
    const { lab, agent } = await labWithWeb();
    await agent.stop();
    await lab.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { metadata: { finalizers: null } },
    );
    await lab.remove(VirtualMachine, 'web');
    const next = await lab.start();
    await lab.until('the Host names it', () => lab.conditionOf(lab.host(), 'OrphanedGuests') !== undefined);
    expect(lives(lab)?.state).toBe('Running');
    await next.stop();
  });
});

describe('another object of the same name', () => {
  async function recreated(annotations?: Record<string, string>) {
    const { lab, agent } = await labWithWeb();
    const uid = lab.machine('web')?.metadata.uid ?? '';
    await lab.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { metadata: { finalizers: null } },
    );
    await lab.remove(VirtualMachine, 'web');
    lab.createMachine('web');
    if (annotations !== undefined) {
      await lab.user.mergePatch(
        VirtualMachine,
        { namespace: 'default', name: 'web' },
        { metadata: { annotations } },
      );
    }
    return { lab, agent, uid };
  }

  it('never takes over what runs for the earlier one by itself', async () => {
    const { lab, agent } = await recreated();
    await lab.until('it says so', () => ready(lab)?.reason === 'RunsForAnotherObject');
    await lab.clock.advance(60_000);
    expect(lab.starts(idOf(lab))).toBe(1);
    expect(lab.conditionOf(lab.machine('web'), 'Stalled')?.status).toBe('True');
    expect(lab.conditionOf(lab.machine('web'), 'Reconciling')).toBeUndefined();
    await agent.stop();
  });

  it('takes it over, running, when a person says so', async () => {
    const { lab, agent, uid } = await recreated();
    await lab.until('it says so', () => ready(lab)?.reason === 'RunsForAnotherObject');
    await lab.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      {
        metadata: { annotations: { 'vireo.dev/adopt': uid } },
      },
    );
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    expect(lab.starts(idOf(lab))).toBe(1);
    await agent.stop();
  });

  it('starts from the volumes of the earlier one when that is off', async () => {
    const lab = createLab();
    lab.createPool('local');
    const disks = [{ name: 'data', pool: 'local', size: '1Gi' }];
    lab.createMachine('web', { runStrategy: 'RerunOnFailure', disks });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.machines.end(idOf(lab), 'PoweredOff');
    await lab.until('web is off', () => lab.machine('web')?.status?.phase === 'Stopped');
    await lab.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { metadata: { finalizers: null } },
    );
    await lab.remove(VirtualMachine, 'web');
    await lab.clock.advance(1_000);
    lab.createMachine('web', { disks });
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    expect(lab.machine('web')?.status?.runRequest).toBeUndefined();
    expect(lab.record(idOf(lab))?.uid).toBe(lab.machine('web')?.metadata.uid);
    await agent.stop();
  });
});

describe('the gate before the first instruction', () => {
  const isRenewal = ({ kind, verb }: MemoryRequest) => kind.kind === 'Lease' && verb !== 'get';

  it('stays shut while the lease is not renewed, which counts as no failure', async () => {
    const lab = createLab();
    const agent = await lab.start();
    await lab.clock.advance(1_000);
    lab.api.intercept = (request) => {
      if (isRenewal(request)) throw new Error('no route');
    };
    await lab.clock.advance(20_000);
    lab.createMachine('web');
    await lab.until('it waits for the lease', () => ready(lab)?.reason === 'LeaseNotHeld');
    await lab.clock.advance(30_000);
    expect(lab.lives('machines')).toEqual([]);
    expect(lab.machine('web')?.status?.startFailure).toBeUndefined();
    delete lab.api.intercept;
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.stop();
  });

  it('is shut by a consistent read that shows the guest elsewhere, whatever the watch said', async () => {
    const lab = createLab({ latency: { startMs: 500 } });
    lab.createMachine('web', {}, 3);
    const agent = await lab.start();
    await lab.until('it starts', () => lab.record(idOf(lab))?.hardware !== undefined);
    await lab.patchStatus(VirtualMachine, 'web', lab.placed(4, 'h2'));
    await lab.clock.advance(60_000);
    expect(lab.starts(idOf(lab))).toBe(0);
    await agent.stop();
  });

  it('is shut for a guest that was deleted while it was starting', async () => {
    const lab = createLab({ latency: { startMs: 500 } });
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('it starts', () => lab.record(idOf(lab))?.hardware !== undefined);
    await lab.remove(VirtualMachine, 'web');
    await lab.until('it is gone', () => lab.machine('web') === undefined);
    expect(lab.starts(idOf(lab))).toBe(0);
    await agent.stop();
  });

  it('stays shut while another agent holds the lease of this name', async () => {
    const { lab, agent } = await labWithWeb();
    const twin = await lab.start(undefined, { machineID: 'machine-2', stateDirectory: '/twin' });
    lab.createMachine('second');
    await lab.until('second is Ready', () => ready(lab, 'second')?.status === 'True');
    await lab.clock.advance(60_000);
    expect(lab.starts(idOf(lab, 'second'))).toBe(1);
    await twin.stop();
    await agent.stop();
  });
});

describe('what is recorded', () => {
  it('is on disk and in the inventory before anything is made', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createMachine('web', {
      disks: [{ name: 'data', pool: 'local', size: '1Gi' }],
      networks: [{ name: 'lan', nat: {} }],
    });
    let hold = true;
    lab.api.intercept = async ({ kind, verb, body }) => {
      const lists = kind.kind === 'Host' && verb === 'patch' && JSON.stringify(body).includes('"name":"web"');
      if (lists && hold) throw new Error('the inventory cannot be written');
    };
    const agent = await lab.start();
    await lab.clock.advance(20_000);
    expect(lab.record(idOf(lab))).toMatchObject({ name: 'web', epoch: 1, volumes: [{ name: 'data' }] });
    expect(lab.plugs.size).toBe(0);
    expect(lab.disk.get('/state/pools/local/pool.json')).toBeUndefined();
    hold = false;
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.stop();
  });

  it('and cannot be read keeps its guest untouched', async () => {
    const { lab, agent } = await labWithWeb();
    await agent.stop();
    lab.disk.set(`/state/guests/${idOf(lab)}/record.json`, '{"version":1,');
    const next = await lab.start();
    await lab.until('it says so', () => ready(lab)?.reason === 'RecordBroken');
    await lab.clock.advance(60_000);
    expect(lab.starts(idOf(lab))).toBe(1);
    expect(lives(lab)?.state).toBe('Running');
    await next.stop();
  });
});

describe('a guest that does not answer and is certainly ours', () => {
  it('is not touched while it is wanted, and is understood again when it answers', async () => {
    const { lab, agent } = await labWithWeb();
    const observe = agent.machines.observe;
    agent.machines.observe = async () => frozen;
    await lab.edit(VirtualMachine, 'web', { restartToken: 'look' });
    await lab.until('it says so', () => ready(lab)?.reason === 'NoAnswer');
    await lab.clock.advance(120_000);
    expect(lives(lab)?.state).toBe('Running');
    agent.machines.observe = observe;
    await lab.clock.advance(20_000);
    await lab.until('it is looked at again', () => ready(lab)?.status === 'True');
    await agent.stop();
  });

  it('goes when it is deleted', async () => {
    const { lab, agent } = await labWithWeb();
    const { observe, kill } = agent.machines;
    agent.machines.observe = async () => frozen;
    agent.machines.kill = async (guest) => {
      agent.machines.observe = observe;
      await kill(guest);
    };
    await lab.remove(VirtualMachine, 'web');
    await lab.clock.advance(30_000);
    expect(lab.machine('web')).toBeDefined();
    await lab.clock.advance(60_000);
    await lab.until('it is gone', () => lab.machine('web') === undefined);
    await agent.stop();
  });

  const frozen = { state: 'Unmanageable', reason: 'NoAnswer', message: 'm', killable: true } as const;
});

describe('a guest that is not understood', () => {
  it('is never started, never ended and never removed', async () => {
    const { lab, agent } = await labWithWeb();
    agent.machines.observe = async () => ({
      state: 'Unmanageable',
      reason: 'MonitorSilent',
      message: 'the monitor does not answer',
    });
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it says so', () => ready(lab)?.reason === 'MonitorSilent');
    expect(lab.machine('web')?.status?.phase).toBe('Unknown');
    await lab.remove(VirtualMachine, 'web');
    await lab.clock.advance(120_000);
    expect(lives(lab)?.state).toBe('Running');
    expect(lab.machine('web')).toBeDefined();
    expect(lab.conditionOf(lab.machine('web'), 'Stalled')?.reason).toBe('MonitorSilent');
    await agent.stop();
  });
});
