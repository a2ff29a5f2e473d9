import { describe, expect, it } from 'vitest';
import { Event } from '../../../src/api/core.ts';
import { Container } from '../../../src/api/kinds/container.ts';
import { StoragePool } from '../../../src/api/kinds/storagePool.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { ReasonedError } from '../../../src/base/outcome.ts';
import { createLab, type Lab } from './lab.ts';

const ready = (lab: Lab, name = 'web') => lab.conditionOf(lab.machine(name), 'Ready');
const idOf = (lab: Lab, name = 'web') => lab.idOf('VirtualMachine', name);
const lives = (lab: Lab, name = 'web') => lab.lives('machines').find(({ id }) => id === idOf(lab, name));
const data = [{ name: 'data', pool: 'local', size: '1Gi' }];

describe('what a guest names and does not exist', () => {
  it('is said by name; the guest goes on by itself as each appears', async () => {
    const lab = createLab();
    lab.createMachine('web', {
      disks: [{ name: 'root', pool: 'local', source: { image: { name: 'demo' } } }],
    });
    const agent = await lab.start();
    await lab.until('the pool is missing', () => ready(lab)?.reason === 'StoragePoolNotFound');
    expect(lab.conditionOf(lab.machine('web'), 'VolumesReady')).toMatchObject({ status: 'False' });
    expect(ready(lab)?.message).toContain('local');
    expect(lab.machine('web')?.status?.phase).toBe('Pending');
    expect(lab.conditionOf(lab.machine('web'), 'Stalled')).toBeUndefined();

    lab.createPool('local');
    await lab.until('the image is missing', () => ready(lab)?.reason === 'ImageNotFound');
    expect(ready(lab)?.message).toContain('demo');
    lab.setImageFault({ failure: { reason: 'BuildFailed', message: 'no space' } });
    lab.createImage('demo');
    await lab.until('the image is not ready', () => ready(lab)?.message.includes('no space') === true);
    expect(ready(lab)?.reason).toBe('ImageNotReady');
    lab.setImageFault({});
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.stop();
  });

  it('counts as stalled after ten minutes and is still looked for', async () => {
    const lab = createLab();
    lab.createMachine('web', { disks: data });
    const agent = await lab.start();
    await lab.clock.advance(1_000_000);
    expect(lab.conditionOf(lab.machine('web'), 'Stalled')?.reason).toBe('StoragePoolNotFound');
    lab.createPool('local');
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    expect(lab.conditionOf(lab.machine('web'), 'Stalled')).toBeUndefined();
    await agent.stop();
  });

  it('is refused to namespaces that it is not for', async () => {
    const lab = createLab();
    lab.createPool('local', { allowedNamespaces: ['other'] });
    lab.createMachine('web', { disks: data });
    const agent = await lab.start();
    await lab.until('it says so', () => ready(lab)?.reason === 'NotAllowedInNamespace');
    await lab.user.mergePatch(StoragePool, { name: 'local' }, { spec: { allowedNamespaces: ['default'] } });
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.stop();
  });
});

describe('a root file system with a size', () => {
  const labWith = (type: 'Btrfs' | 'Directory') => {
    const lab = createLab();
    lab.createPool('local', { type });
    lab.createImage('root', { kind: 'ContainerRootfs' });
    lab.createContainer('web', { rootfs: { pool: 'local', size: '1Gi' } });
    return lab;
  };
  const isReady = (lab: ReturnType<typeof createLab>) =>
    lab.conditionOf(lab.container('web'), 'Ready')?.status === 'True';

  it('is limited to it before it is started, to less while it runs, and to nothing when it is taken out', async () => {
    const lab = labWith('Btrfs');
    const agent = await lab.start();
    await lab.until('it runs', () => isReady(lab));
    const limit = () => lab.limits.get(`${lab.idOf('Container', 'web')}-rootfs`);
    expect(limit()).toBe(2 ** 30);
    await lab.edit(Container, 'web', { rootfs: { size: '512Mi' } });
    await lab.until('it is less', () => limit() === 2 ** 29);
    await lab.edit(Container, 'web', { rootfs: { size: null } });
    await lab.until('it is none', () => limit() === undefined);
    await agent.stop();
  });

  it('is not started from a pool that cannot hold it to that', async () => {
    const lab = labWith('Directory');
    const agent = await lab.start();
    const reason = () => lab.conditionOf(lab.container('web'), 'Ready')?.reason;
    await lab.until('it says so', () => reason() === 'LimitUnsupported');
    expect(lab.lives('containers')).toEqual([]);
    await agent.stop();
  });
});

describe('what the host does not allow', () => {
  it('is named with the line to add', async () => {
    const lab = createLab();
    lab.createPool('elsewhere', { directory: { path: '/srv/pool' } });
    lab.createMachine('bridged', { networks: [{ name: 'lan', bridge: { name: 'br0' } }] });
    lab.createMachine('stored', { disks: [{ name: 'data', pool: 'elsewhere', size: '1Gi' }] });
    lab.createContainer('root', { unprivileged: false });
    const agent = await lab.start();
    await lab.until(
      'the container says so',
      () => lab.conditionOf(lab.container('root'), 'Ready')?.reason === 'PrivilegedNotAllowed',
    );
    expect(ready(lab, 'bridged')).toMatchObject({
      reason: 'BridgeNotAllowed',
      message: expect.stringContaining('br0'),
    });
    expect(ready(lab, 'stored')).toMatchObject({
      reason: 'PathNotAllowed',
      message: expect.stringContaining('/srv/pool'),
    });
    expect(lab.lives('machines')).toEqual([]);
    expect(lab.host()?.status?.pools).toMatchObject([
      { name: 'elsewhere', healthy: false, reason: 'PathNotAllowed' },
    ]);
    expect(lab.conditionOf(lab.host(), 'StorageReady')?.status).toBe('False');
    await agent.stop();
  });

  it('works when it is listed', async () => {
    const lab = createLab({
      config: { bridges: ['br0'], poolPaths: ['/srv'], allowPrivilegedContainers: true },
    });
    lab.createPool('elsewhere', { directory: { path: '/srv/pool' } });
    lab.createMachine('web', {
      networks: [{ name: 'lan', bridge: { name: 'br0' } }],
      disks: [{ name: 'data', pool: 'elsewhere', size: '1Gi' }],
    });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.stop();
  });
});

describe('a full pool', () => {
  it('makes the guest wait with the reason, and go on when there is space', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.poolFaults.full = true;
    lab.createMachine('web', { disks: data });
    const agent = await lab.start();
    await lab.until('it says so', () => ready(lab)?.reason === 'PoolFull');
    lab.poolFaults.full = false;
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.stop();
  });
});

describe('a volume that takes long', () => {
  const slow = { poolLatencyMs: 60_000 };

  it('is made beside the passes, and the guest says that it is under way', async () => {
    const lab = createLab(slow);
    lab.createPool('local');
    for (let number = 0; number < 20; number += 1) lab.createMachine(`slow${number}`, { disks: data });
    const agent = await lab.start();
    await lab.until('it says so', () => lab.machine('slow0')?.status?.phase === 'Provisioning');
    lab.createMachine('quick');
    await lab.until('others are served', () => ready(lab, 'quick')?.status === 'True', 10_000);
    await lab.until('it is Ready', () => ready(lab, 'slow0')?.status === 'True');
    await agent.stop();
  });

  it('is given up when the guest is deleted meanwhile', async () => {
    const lab = createLab(slow);
    lab.createPool('local');
    lab.createMachine('web', { disks: data });
    const agent = await lab.start();
    await lab.until('it says so', () => lab.machine('web')?.status?.phase === 'Provisioning');
    await lab.remove(VirtualMachine, 'web');
    await lab.until('it is gone', () => lab.machine('web') === undefined, 10_000);
    expect(lab.disk.get('/state/pools/local/pool.json') ?? '').not.toContain(idOf(lab));
    await agent.stop();
  });
});

describe('a guest that is deleted', () => {
  it('keeps the volumes that are to be retained', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createMachine('web', {
      disks: [...data, { name: 'keep', pool: 'local', size: '1Gi', reclaimPolicy: 'Retain' }],
    });
    lab.createMachine('all', { disks: data, deletionPolicy: 'Retain' });
    const agent = await lab.start();
    await lab.until(
      'both are Ready',
      () => ready(lab)?.status === 'True' && ready(lab, 'all')?.status === 'True',
    );
    await lab.remove(VirtualMachine, 'web');
    await lab.remove(VirtualMachine, 'all');
    await lab.until(
      'both are gone',
      () => lab.machine('web') === undefined && lab.machine('all') === undefined,
    );
    const left = lab.disk.get('/state/pools/local/pool.json') ?? '';
    expect(left).toContain(`${idOf(lab)}-keep`);
    expect(left).toContain(`${idOf(lab, 'all')}-data`);
    expect(left).not.toContain(`${idOf(lab)}-data`);
    expect(lab.lives('machines')).toEqual([]);
    await agent.stop();
  });

  it('and comes back is told of the volumes that it had retained, and of no other, once', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createImage('disk');
    const disks = [
      ...data,
      { name: 'keep', pool: 'local', size: '1Gi', reclaimPolicy: 'Retain' as const },
      { name: 'root', pool: 'local', reclaimPolicy: 'Retain' as const, source: { image: { name: 'disk' } } },
    ];
    const told = () =>
      (lab.user.state.list(Event) as Stored<Event>[])
        .filter(({ reason }) => reason === 'VolumeTakenBack')
        .map(({ type, message }) => `${type}: ${message}`)
        .sort();
    lab.createMachine('web', { disks });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.clock.advance(10_000);
    expect(told()).toEqual([]);
    await lab.remove(VirtualMachine, 'web');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    lab.createMachine('web', { disks });
    await lab.until('it is Ready again', () => ready(lab)?.status === 'True');
    await lab.clock.advance(10_000);
    expect(told()).toEqual([
      expect.stringMatching(/^Normal: the volume keep .* is used as it is$/),
      expect.stringMatching(/^Warning: the volume root .*, not its source/),
    ]);
    await agent.stop();
  });

  it('and does not follow the shutdown is ended by force after its time, while others are served', async () => {
    const lab = createLab();
    lab.faults['default/web'] = { ignoreShutdown: true };
    lab.createMachine('web', { shutdown: { timeoutSeconds: 30, force: 'Never' } });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.remove(VirtualMachine, 'web');
    await lab.clock.advance(20_000);
    expect(lab.machine('web')?.status?.phase).toBe('Terminating');
    expect(lives(lab)?.state).toBe('Running');
    lab.createMachine('other');
    await lab.until('other is Ready', () => ready(lab, 'other')?.status === 'True', 5_000);
    await lab.until('web is gone', () => lab.machine('web') === undefined, 20_000);
    await agent.stop();
  });

  it('before it ever began takes no volume that was retained for an earlier one', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createMachine('web', { disks: data, deletionPolicy: 'Retain' });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.remove(VirtualMachine, 'web');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    await agent.stop();
    lab.createMachine('web', { disks: data });
    await lab.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { metadata: { finalizers: ['vireo.dev/guest'] } },
    );
    await lab.remove(VirtualMachine, 'web');
    const next = await lab.start();
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    expect(lab.disk.get('/state/pools/local/pool.json')).toContain(`${idOf(lab)}-data`);
    await next.stop();
  });

  it('and was placed here because its host is dead loses what it had on shared storage, and nothing else', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createPool('shared', { shared: true });
    const disks = [...data, { name: 'common', pool: 'shared', size: '1Gi' }];
    const taken = { name: 'taken-out', pool: 'shared', size: '1Gi', reclaimPolicy: 'Retain' } as const;
    lab.createMachine('web', { disks: [...disks, taken], deletionPolicy: 'Retain' });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    const volumes = lab.machine('web')?.status?.volumes;
    await lab.remove(VirtualMachine, 'web');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    await agent.stop();
    lab.createMachine('web', { disks });
    const ref = { namespace: 'default', name: 'web' };
    await lab.user.mergePatch(VirtualMachine, ref, { status: { volumes } }, { subresource: 'status' });
    await lab.user.mergePatch(VirtualMachine, ref, { metadata: { finalizers: ['vireo.dev/guest'] } });
    await lab.remove(VirtualMachine, 'web');
    const next = await lab.start();
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    expect(lab.disk.get('/state/pools/shared/pool.json')).not.toContain(`${idOf(lab)}-common`);
    // It is not in the spec any more: whether it was one to keep is not known.
    expect(lab.disk.get('/state/pools/shared/pool.json')).toContain(`${idOf(lab)}-taken-out`);
    expect(lab.disk.get('/state/pools/local/pool.json')).toContain(`${idOf(lab)}-data`);
    await next.stop();
  });

  it('waits for a pool that cannot be used, with its volume untouched', async () => {
    const lab = createLab({ config: { poolPaths: ['/srv'] } });
    lab.createPool('local', { directory: { path: '/srv/a' } });
    lab.createMachine('web', { disks: data });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.user.mergePatch(
      StoragePool,
      { name: 'local' },
      { spec: { directory: { path: '/elsewhere' } } },
    );
    await lab.clock.advance(1_000);
    await lab.remove(VirtualMachine, 'web');
    await lab.until('it says so', () => ready(lab)?.reason === 'StoragePoolNotReady');
    await lab.user.mergePatch(StoragePool, { name: 'local' }, { spec: { directory: { path: '/srv/a' } } });
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    expect(lab.disk.get('/srv/a/pool.json')).toContain('"volumes":[]');
    await agent.stop();
  });
});

describe('a shutdown that the guest does not follow', () => {
  it('waits for a person when force is not allowed, and says so', async () => {
    const lab = createLab();
    lab.faults['default/web'] = { ignoreShutdown: true };
    lab.createMachine('web', { shutdown: { timeoutSeconds: 10, force: 'Never' } });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it says so', () => ready(lab)?.reason === 'ShutdownTimedOut');
    expect(lives(lab)?.state).toBe('Running');
    lab.createOperation('now', 'Stop', { kind: 'VirtualMachine', name: 'web' });
    await lab.until('it is off', () => lives(lab)?.state === 'Off');
    await lab.until('it is Ready as Stopped', () => ready(lab)?.reason === 'Stopped');
    await agent.stop();
  });
});

describe('changes of the spec', () => {
  it('that can be made while the guest runs are made: a disk grows', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createMachine('web', { disks: data });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.edit(VirtualMachine, 'web', { disks: [{ name: 'data', pool: 'local', size: '2Gi' }] });
    await lab.until('it has grown', () => lab.machine('web')?.status?.volumes?.[0]?.size === '2Gi');
    expect(lab.disk.get('/state/pools/local/pool.json')).toContain(String(2 * 2 ** 30));
    expect(lab.machine('web')?.status?.observedGeneration).toBe(2);
    expect(lab.starts(idOf(lab))).toBe(1);
    await agent.stop();
  });

  it('that cannot are listed until they are taken back', async () => {
    const lab = createLab();
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.edit(VirtualMachine, 'web', { memory: { size: '1Gi' } });
    await lab.until('they are listed', () => lab.machine('web')?.status?.pendingChanges !== undefined);
    expect(lab.machine('web')?.status?.pendingChanges?.[0]).toMatchObject({
      class: 'Restart',
      path: expect.stringMatching(/^spec\./),
    });
    expect(lab.conditionOf(lab.machine('web'), 'UpToDate')?.status).toBe('False');
    expect(ready(lab)?.status).toBe('True');
    await lab.edit(VirtualMachine, 'web', { memory: { size: '512Mi' } });
    await lab.until('they are gone', () => lab.machine('web')?.status?.pendingChanges === undefined);
    expect(lab.starts(idOf(lab))).toBe(1);
    await agent.stop();
  });

  it('restart the guest once when the policy is Automatic', async () => {
    const lab = createLab();
    lab.createMachine('web', { updatePolicy: { restart: 'Automatic' } });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.edit(VirtualMachine, 'web', { memory: { size: '1Gi' } });
    await lab.until('it was restarted', () => lab.starts(idOf(lab)) === 2);
    await lab.clock.advance(120_000);
    expect(lab.starts(idOf(lab))).toBe(2);
    expect(lab.machine('web')?.status?.pendingChanges).toBeUndefined();
    await agent.stop();
  });

  it('that the driver refuses are said, and tried again', async () => {
    const lab = createLab();
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    const update = agent.machines.update;
    agent.machines.update = async () => {
      throw new ReasonedError('DeviceBusy', 'the guest does not let go of the device');
    };
    await lab.edit(VirtualMachine, 'web', { memory: { size: '1Gi' } });
    await lab.until(
      'it says so',
      () => lab.conditionOf(lab.machine('web'), 'UpToDate')?.reason === 'DeviceBusy',
    );
    agent.machines.update = update;
    await lab.until(
      'it was tried again',
      () => lab.conditionOf(lab.machine('web'), 'UpToDate')?.reason === 'RestartRequired',
    );
    await agent.stop();
  });

  it('never shrink or move data: that is listed as Recreate', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createPool('other');
    lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '2Gi' }] });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.edit(VirtualMachine, 'web', { disks: [{ name: 'data', pool: 'other', size: '1Gi' }] });
    await lab.until('they are listed', () => lab.machine('web')?.status?.pendingChanges?.length === 2);
    expect(lab.machine('web')?.status?.pendingChanges?.map((change) => change.class)).toEqual([
      'Recreate',
      'Recreate',
    ]);
    expect(lab.machine('web')?.status?.volumes).toMatchObject([{ pool: 'local', size: '2Gi' }]);
    await agent.stop();
  });

  it('of the restartToken restart it once', async () => {
    const lab = createLab();
    lab.createMachine('web', { restartToken: 'a' });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.edit(VirtualMachine, 'web', { restartToken: 'b' });
    await lab.until('it was restarted', () => lab.machine('web')?.status?.restartedFor === 'b');
    await lab.clock.advance(60_000);
    expect(lab.starts(idOf(lab))).toBe(2);
    await agent.stop();
  });
});

describe('a guest that fails', () => {
  it('is started again, later and later, and says so; when it holds that is forgotten', async () => {
    const lab = createLab();
    lab.faults['default/web'] = { crashAfterMs: 100 };
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until(
      'it waits',
      () =>
        lab.machine('web')?.status?.phase === 'CrashLoopBackOff' &&
        (lab.machine('web')?.status?.startFailure?.count ?? 0) > 3,
    );
    expect(ready(lab)?.reason).toBe('CrashLoopBackOff');
    delete lab.faults['default/web'];
    await lab.until('it runs', () => ready(lab)?.status === 'True');
    await lab.until('it is forgotten', () => lab.machine('web')?.status?.startFailure === undefined);
    await agent.stop();
  });

  it('to start says why', async () => {
    const lab = createLab();
    lab.faults['default/web'] = { failStarts: 2 };
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('it failed', () => lab.machine('web')?.status?.startFailure?.count === 1);
    expect(lab.conditionOf(lab.machine('web'), 'Running')?.reason).toBe('SimulatedStartFailure');
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await agent.stop();
  });

  it('by a reboot of the host comes back, and one that was off stays off', async () => {
    const lab = createLab();
    lab.createMachine('web');
    lab.createMachine('off', { runStrategy: 'RerunOnFailure' });
    const agent = await lab.start();
    await lab.until('both run', () => ready(lab)?.status === 'True' && ready(lab, 'off')?.status === 'True');
    await agent.machines.end(idOf(lab, 'off'), 'PoweredOff');
    await lab.until('off is off', () => ready(lab, 'off')?.reason === 'Stopped');
    await agent.machines.rebootHost();
    await lab.until('web runs again', () => lab.starts(idOf(lab)) === 2);
    await lab.clock.advance(60_000);
    expect(lives(lab, 'off')?.state).toBe('Off');
    expect(lab.machine('off')?.status?.runRequest).toMatchObject({ action: 'Stop', by: 'guest' });
    await agent.stop();
  });
});

describe('a container', () => {
  it('gets a range of ids of its own, and the root file system of its image', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createImage('root', { kind: 'ContainerRootfs', source: { build: { recipe: 'BusyboxRootfs' } } });
    lab.createContainer('a');
    lab.createContainer('b');
    const agent = await lab.start();
    await lab.until('both are Ready', () =>
      ['a', 'b'].every((name) => lab.conditionOf(lab.container(name), 'Ready')?.status === 'True'),
    );
    const bases = ['a', 'b'].map((name) => lab.record(lab.idOf('Container', name))?.idBase);
    expect(new Set(bases).size).toBe(2);
    expect(lab.container('a')?.status?.effective?.idBase).toBe(String(bases[0]));
    await lab.remove(Container, 'a');
    await lab.until('a is gone', () => lab.container('a') === undefined);
    await agent.stop();
  });
});

describe('at rest', () => {
  it('nothing is written and nothing is asked of the drivers', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createMachine('web', { disks: data, networks: [{ name: 'lan', nat: {} }] });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    // Once more the pool's fill is reported, a minute after it was opened.
    await lab.clock.advance(70_000);
    const writes = lab.user.writes().length;
    const effects = agent.crasher.effects().length;
    await lab.clock.advance(300_000);
    const later = lab.user
      .writes()
      .slice(writes)
      .filter(({ kind }) => kind.kind !== 'Lease' && kind.kind !== 'Event');
    expect(later).toEqual([]);
    expect(agent.crasher.effects().length).toBe(effects);
    await agent.stop();
  });

  it('a restarted agent finds its guests and changes nothing', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createMachine('web', {
      disks: data,
      networks: [{ name: 'lan', nat: {} }],
      runStrategy: 'RerunOnFailure',
    });
    const agent = await lab.start();
    await lab.until('web is Ready', () => ready(lab)?.status === 'True');
    await lab.clock.advance(5_000);
    await agent.stop();
    const before = lab.machine('web');
    const next = await lab.start();
    await lab.clock.advance(120_000);
    expect(lab.machine('web')).toEqual(before);
    expect(lab.starts(idOf(lab))).toBe(1);
    await next.stop();
  });
});
