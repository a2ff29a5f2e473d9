/** The unit of the agent is put on a host whole, or not at all; what is there already is left alone. */
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { installUnit, runUnitInstall, unitText } from '../../../src/main/roles/unit.ts';
import { version } from '../../../src/main/version.ts';
import { realWorld } from '../../../src/main/world/world.ts';

const world = realWorld({ logLevel: 'error' });
let folder: string;
let root: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-unit-'));
  root = join(folder, 'host');
  await mkdir(join(folder, 'dist'));
  await writeFile(join(folder, 'dist', 'vireo.js'), 'entry');
  await writeFile(join(folder, 'dist', 'chunk.js'), 'chunk');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const install = (files = world.files) =>
  installUnit(
    {
      root,
      enterHost: false,
      script: join(folder, 'dist', 'vireo.js'),
      stateDirectory: '/var/lib/vireo/agent',
    },
    { ...world, files },
  );
const home = () => join(root, 'opt/vireo');

describe('the unit of the agent', () => {
  it('comes with its version, its own node and a link to it, once', async () => {
    expect(await install()).toBe(true);
    expect(await readlink(join(home(), 'current'))).toBe(version);
    expect((await readdir(join(home(), 'current/dist'))).sort()).toEqual(['chunk.js', 'vireo.js']);
    const unit = await readFile(join(root, 'etc/systemd/system/vireo-agent.service'), 'utf8');
    expect(unit).toBe(unitText('/var/lib/vireo/agent'));
    expect(unit).toContain('KillMode=process');
    expect(unit).toContain('MemorySwapMax=0');
    expect(await install()).toBe(false);
  });

  it('lets its host sleep no more, and is started all the same where that cannot be had', async () => {
    const ran: string[] = [];
    const said: string[] = [];
    const run = async (argv: readonly string[]) => {
      ran.push(argv.join(' '));
      const isMask = argv.includes('mask');
      return { code: isMask ? 1 : 0, stdout: '', stderr: isMask ? 'File exists\n' : '', timedOut: false };
    };
    for (const stream of ['stdout', 'stderr'] as const)
      vi.spyOn(process[stream], 'write').mockImplementation((text) => said.push(String(text)) > 0);
    const script = join(folder, 'dist', 'vireo.js');
    const options = { root, enterHost: false, script, stateDirectory: '/var/lib/vireo/agent' };
    await runUnitInstall(options, { ...world, processes: { ...world.processes, run } });
    vi.restoreAllMocks();
    expect(ran).toEqual([
      'systemctl mask sleep.target suspend.target hibernate.target hybrid-sleep.target suspend-then-hibernate.target',
      'systemctl daemon-reload',
      'systemctl enable vireo-agent.service',
      'systemctl restart vireo-agent.service',
    ]);
    expect(said[0]).toContain('may still be suspended, see that it is not: File exists');
  });

  it('shows the old version until the new one is whole', async () => {
    await mkdir(join(home(), '0.0.9'), { recursive: true });
    await world.files.symlink('0.0.9', join(home(), 'current'));
    const full = {
      ...world.files,
      copy: async (from: string, to: string) => {
        if (from.endsWith('vireo.js')) throw new Error('the disk is full');
        return world.files.copy(from, to);
      },
    };
    await expect(install(full)).rejects.toThrow('the disk is full');
    expect(await readlink(join(home(), 'current'))).toBe('0.0.9');
    expect(await install()).toBe(true);
    expect(await readlink(join(home(), 'current'))).toBe(version);
    expect((await readdir(home())).sort()).toEqual(['0.0.9', version, 'current'].sort());
  });
});
