import { describe, expect, it } from 'vitest';
import { isAllowedPath } from '../../../src/agent/allowlist.ts';
import { defaultAgentConfig, parseAgentConfig } from '../../../src/agent/config.ts';
import { openIdRanges } from '../../../src/agent/idRanges.ts';
import { createMemoryFiles } from './memoryFiles.ts';

const parse = (text: string) => parseAgentConfig(text, 'agent.yaml');

describe('the allow-list', () => {
  it('allows next to nothing when it is empty', () => {
    expect(parse('')).toEqual(defaultAgentConfig);
    expect(defaultAgentConfig).toMatchObject({
      bridges: [],
      poolPaths: [],
      imagePaths: [],
      allowPrivilegedContainers: false,
    });
  });

  it('reads what it names', () => {
    const text =
      'bridges: [br0]\npoolPaths: [/srv]\nallowPrivilegedContainers: true\nreserved: {cpu: 500m, memory: 1Gi}\n';
    expect(parse(text)).toMatchObject({
      bridges: ['br0'],
      poolPaths: ['/srv'],
      allowPrivilegedContainers: true,
      reserved: { cpus: 0.5, memoryBytes: 2 ** 30 },
    });
  });

  it('names the ports that a firewall has to let in', () => {
    expect(parse('')).toMatchObject({ peerPort: 0, migrationPorts: { first: 60_000, count: 1_000 } });
    expect(parse('peerPort: 7443\nmigrationPorts: 50000-50009\n')).toMatchObject({
      peerPort: 7_443,
      migrationPorts: { first: 50_000, count: 10 },
    });
  });

  it.each([
    ['bridge: [br0]', 'agent.yaml: bridge is not known'],
    ['bridges: br0', 'agent.yaml: bridges must be a list'],
    ['poolPaths: [srv]', 'agent.yaml: poolPaths[0] must be an absolute path'],
    ['imagePaths: [/srv/../etc]', 'agent.yaml: imagePaths[0] must be an absolute path'],
    ['allowPrivilegedContainers: maybe', 'agent.yaml: allowPrivilegedContainers must be true or false'],
    ['reserved: {memory: lots}', 'agent.yaml: reserved.memory must be a quantity'],
    ['reserved: {disk: 1}', 'agent.yaml: reserved.disk is not known'],
    ['peerPort: 0', 'agent.yaml: peerPort must be a port'],
    ['peerPort: 65536', 'agent.yaml: peerPort must be a port'],
    ['parallelBackups: 0', 'agent.yaml: parallelBackups must be a number from 1 to 64'],
    ['migrationPorts: 60000', 'agent.yaml: migrationPorts must be a range'],
    ['migrationPorts: 60999-60000', 'agent.yaml: migrationPorts must be a range'],
    ['migrationPorts: 1-2-3', 'agent.yaml: migrationPorts must be a range'],
    ['natSubnet: 10.0.0.0/8', 'agent.yaml: natSubnet must be a /24'],
    ['- a', 'agent.yaml: the file must be a mapping'],
    ['{', 'agent.yaml: '],
  ])('refuses %s with its path', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});

describe('a path', () => {
  const files = {
    ...createMemoryFiles(new Map()),
    realPath: async (path: string) =>
      ({ '/srv': '/srv', '/srv/link': '/etc', '/etc': '/etc', '/': '/' })[path],
  };

  it.each([
    ['/srv', true],
    ['/srv/a/b', true],
    ['/srv/../etc', false],
    ['/srv-other', false],
    ['/srv/link/shadow', false],
    ['/etc', false],
  ])('%s is allowed below /srv: %s', async (path, allowed) => {
    expect(await isAllowedPath(files, path, ['/srv'])).toBe(allowed);
  });
});

describe('id ranges', () => {
  const BLOCK = 1_024 * 65_536;

  it('are taken once, given back, and lie in one block below 2^32', async () => {
    const ranges = await openIdRanges(createMemoryFiles(new Map()), '/state');
    const bases = [ranges.take(), ranges.take(), ranges.take()];
    expect(new Set(bases).size).toBe(3);
    for (const base of bases) {
      expect(base).toBeGreaterThanOrEqual(ranges.block.base);
      expect(base + 65_536).toBeLessThanOrEqual(ranges.block.base + ranges.block.count);
    }
    expect(ranges.block.base + ranges.block.count).toBeLessThan(2 ** 32);
    ranges.release(bases[0] ?? 0);
    expect(ranges.take()).toBe(bases[0]);
  });

  it('avoid every block of which somebody else was given a part', async () => {
    const { block } = await openIdRanges(createMemoryFiles(new Map()), '/state');
    const disk = new Map([['/etc/subuid', `someone:${block.base + 10}:20\n`]]);
    expect((await openIdRanges(createMemoryFiles(disk), '/state')).block.base).not.toBe(block.base);
  });

  it('stay the same after a restart, though the block is granted by then', async () => {
    const disk = new Map<string, string>();
    const { block } = await openIdRanges(createMemoryFiles(disk), '/state');
    disk.set('/etc/subuid', `root:${block.base}:${block.count}\n`);
    expect((await openIdRanges(createMemoryFiles(disk), '/state')).block).toEqual(block);
  });

  it('say so when nothing is left to choose from', async () => {
    const disk = new Map([['/etc/subgid', `someone:1000000000:${46 * BLOCK}\n`]]);
    await expect(openIdRanges(createMemoryFiles(disk), '/state')).rejects.toThrow(/every block of ids/);
  });
});
