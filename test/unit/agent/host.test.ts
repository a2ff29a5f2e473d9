import { describe, expect, it } from 'vitest';
import { readHostFacts } from '../../../src/agent/host/facts.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { Image } from '../../../src/api/kinds/image.ts';
import { createLab, type Lab } from './lab.ts';
import { createMemoryFiles, type Disk } from './memoryFiles.ts';

const image = (lab: Lab, name = 'demo') => lab.host()?.status?.images?.find((entry) => entry.name === name);

describe('the Host', () => {
  it('is made by its agent, with what the machine is and why it has no KVM', async () => {
    const lab = createLab();
    lab.createPool('local');
    const agent = await lab.start();
    await lab.until('it is there', () => lab.conditionOf(lab.host(), 'AgentReady')?.status === 'True');
    await lab.until('its pool is there', () => lab.host()?.status?.pools?.[0]?.healthy === true);
    expect(lab.host()?.status).toMatchObject({
      bootID: 'boot-1',
      kernel: '6.1',
      agentVersion: 'test',
      incarnation: 1,
      capacity: { cpu: 4, memory: '8Gi' },
      allocatable: { cpu: 4, memory: '7936Mi' },
      cpu: { accelerator: 'simulated', count: 4 },
      guests: [],
    });
    expect(lab.host()?.status?.inventoryAt).toBeDefined();
    expect(lab.conditionOf(lab.host(), 'KVMAvailable')).toMatchObject({
      status: 'False',
      reason: 'Simulated',
    });
    expect(lab.conditionOf(lab.host(), 'NetworkReady')?.status).toBe('True');
    await agent.stop();
  });

  it('makes no news of a restart of its agent: it stays ready, with its pools', async () => {
    const lab = createLab();
    lab.createPool('local');
    const first = await lab.start();
    await lab.until('it is ready', () => lab.conditionOf(lab.host(), 'AgentReady')?.status === 'True');
    await lab.until('its pool is there', () => lab.host()?.status?.pools?.[0]?.healthy === true);
    await first.stop();
    const seen: string[] = [];
    const later = lab.clock.monotonic() + 12_000;
    const second = await lab.start();
    await lab.until('the agent has begun', () => {
      const { status } = lab.host() ?? {};
      seen.push(`${lab.conditionOf(lab.host(), 'AgentReady')?.status} ${status?.pools?.length}`);
      return lab.clock.monotonic() > later;
    });
    expect(new Set(seen)).toEqual(new Set(['True 1']));
    await second.stop();
  });

  it('keeps what the manager writes', async () => {
    const lab = createLab();
    const agent = await lab.start();
    await lab.until('it is there', () => lab.host()?.status?.inventoryAt !== undefined);
    const conditions = [
      ...(lab.host()?.status?.conditions ?? []),
      {
        type: 'Ready',
        status: 'True' as const,
        reason: 'AgentReady',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ];
    await lab.user.mergePatch(
      Host,
      { name: 'h1' },
      { status: { state: 'Online', allocated: { cpu: 2 }, conditions } },
      { subresource: 'status' },
    );
    lab.setCluster('c1', 2);
    await lab.until('it has taken stock again', () => lab.host()?.status?.incarnation === 2);
    expect(lab.host()?.status).toMatchObject({ state: 'Online', allocated: { cpu: 2 } });
    expect(lab.conditionOf(lab.host(), 'Ready')?.status).toBe('True');
    await agent.stop();
  });

  it('comes back when its status was wiped', async () => {
    const lab = createLab();
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('it lists web', () => lab.host()?.status?.guests?.length === 1);
    await lab.clock.advance(5_000);
    await lab.user.mergePatch(Host, { name: 'h1' }, { status: null }, { subresource: 'status' });
    await lab.until('it lists web again', () => lab.host()?.status?.guests?.length === 1, 5_000);
    expect(lab.host()?.status?.inventoryAt).toBeDefined();
    await agent.stop();
  });

  it('reports the fill of a pool soon after volumes were made', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
    const agent = await lab.start();
    await lab.until('it does', () => lab.host()?.status?.pools?.[0]?.allocated === '1Gi', 10_000);
    await agent.stop();
  });

  it('reports its inventory anew for each incarnation', async () => {
    const lab = createLab();
    const agent = await lab.start();
    await lab.until('it is there', () => lab.host()?.status?.inventoryAt !== undefined);
    const first = lab.host()?.status?.inventoryAt;
    await lab.clock.advance(10_000);
    lab.setCluster('c1', 2);
    await lab.until('it has', () => lab.host()?.status?.incarnation === 2);
    expect(lab.host()?.status?.inventoryAt).not.toBe(first);
    await agent.stop();
  });

  it('is told of a burst of changes in few writes', async () => {
    const lab = createLab();
    const agent = await lab.start();
    await lab.until('it is there', () => lab.host()?.status?.inventoryAt !== undefined);
    const before = lab.user.writes().filter(({ kind }) => kind.kind === 'Host').length;
    lab.api.intercept = async ({ kind, verb }) => {
      if (kind.kind === 'Host' && verb === 'patch') await lab.clock.sleep(10);
    };
    for (let number = 0; number < 50; number += 1) lab.createMachine(`m${number}`);
    await lab.until(
      'all run',
      () => lab.host()?.status?.guests?.filter(({ running }) => running).length === 50,
    );
    const writes = lab.user.writes().filter(({ kind }) => kind.kind === 'Host').length - before;
    expect(writes).toBeLessThan(15);
    await agent.stop();
  });
});

describe('images', () => {
  it('are made one at a time and reported', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createImage('demo');
    lab.createImage('second');
    const agent = await lab.start();
    await lab.until(
      'both are there',
      () => image(lab)?.state === 'Available' && image(lab, 'second')?.state === 'Available',
    );
    expect(image(lab)).toMatchObject({
      format: 'qcow2',
      virtualSize: '64Mi',
      checksum: expect.stringMatching(/^sha256:/),
    });
    await agent.stop();
  });

  it('are made again when their source changes, and not when the agent starts again', async () => {
    const lab = createLab({ config: { imagePaths: ['/images'] } });
    lab.createPool('local');
    lab.createImage('demo');
    const agent = await lab.start();
    await lab.until('it is there', () => image(lab)?.state === 'Available');
    const hash = image(lab)?.sourceHash;
    await agent.stop();
    lab.setImageFault({ failure: { reason: 'BuildFailed', message: 'not again' } });
    const next = await lab.start();
    await lab.clock.advance(5_000);
    expect(image(lab)?.state).toBe('Available');
    lab.setImageFault({});
    await lab.user.mergePatch(
      Image,
      { name: 'demo' },
      { spec: { source: { build: null, path: { path: '/images/a.qcow2' } } } },
    );
    await lab.until(
      'it was made again',
      () => image(lab)?.state === 'Available' && image(lab)?.sourceHash !== hash,
    );
    await next.stop();
  });

  it('that fail say why and are tried again', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.setImageFault({ missing: [{ program: 'debootstrap', package: 'debootstrap' }] });
    lab.createImage('demo');
    const agent = await lab.start();
    await lab.until('it failed', () => image(lab)?.state === 'Failed');
    expect(image(lab)).toMatchObject({
      reason: 'ToolMissing',
      message: expect.stringContaining('apt-get install debootstrap'),
    });
    lab.setImageFault({});
    await lab.until('it is there', () => image(lab)?.state === 'Available');
    await agent.stop();
  });

  it('come only from paths the host allows', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createImage('demo', { source: { path: { path: '/etc/shadow' } } });
    const agent = await lab.start();
    await lab.until('it failed', () => image(lab)?.state === 'Failed');
    expect(image(lab)?.reason).toBe('PathNotAllowed');
    await agent.stop();
  });

  it('go with their object', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createImage('demo');
    const agent = await lab.start();
    await lab.until('it is there', () => image(lab)?.state === 'Available');
    await lab.user.delete(Image, { name: 'demo' });
    await lab.until('it is gone', () => image(lab) === undefined);
    expect(lab.disk.get('/state/pools/local/pool.json')).toContain('"images":[]');
    await agent.stop();
  });
});

describe('the facts of a machine', () => {
  it('are read from /proc and /sys', async () => {
    const disk: Disk = new Map([
      [
        '/proc/cpuinfo',
        'processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t\t: fpu vmx sse4_2\n\nprocessor\t: 1\n',
      ],
      ['/proc/meminfo', 'MemTotal:       16384 kB\nMemFree: 1 kB\n'],
      ['/proc/sys/kernel/osrelease', '6.1.0-25-amd64\n'],
      ['/proc/sys/kernel/random/boot_id', 'b-1\n'],
      ['/etc/machine-id', 'm-1\n'],
      ['/proc/filesystems', 'nodev\tsysfs\n\text4\nnodev\toverlay\n'],
      ['/dev/kvm', ''],
      ['/sys/fs/cgroup/memory/tasks', ''],
    ]);
    expect(await readHostFacts(createMemoryFiles(disk), '10.0.0.1')).toEqual({
      address: '10.0.0.1',
      kernel: '6.1.0-25-amd64',
      bootID: 'b-1',
      machineID: 'm-1',
      cpu: {
        count: 2,
        model: 'Xeon',
        vendor: 'GenuineIntel',
        virtualization: 'vmx',
        flags: ['fpu', 'vmx', 'sse4_2'],
      },
      memoryBytes: 16_384 * 1024,
      kernelFeatures: ['fs-ext4', 'fs-overlay', 'kvm'],
      cgroup: 'V1',
    });
  });

  it('that are missing are left out', async () => {
    const facts = await readHostFacts(createMemoryFiles(new Map()));
    expect(facts).toEqual({
      cpu: { count: 1, virtualization: 'none', flags: [] },
      memoryBytes: 0,
      kernelFeatures: [],
      cgroup: 'None',
    });
  });
});
