/** Images as they really come out: the demo disk boots by BIOS and by UEFI under QEMU, answers DHCP and ends by its power button. */
import { type ChildProcess, spawn } from 'node:child_process';
import { access, copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { createImageBuilder } from '../../src/drivers/image/builder.ts';
import { addressMarker, readyMarker } from '../../src/drivers/image/init.ts';
import { inspectDisk } from '../../src/drivers/image/inspect.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { until } from './harness/commands.ts';

const world = { ...realWorld(), log: silentLog };
const firmware = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const variables = '/usr/share/OVMF/OVMF_VARS_4M.fd';

describe('the demo disk', () => {
  let directory: string;
  let disk: string;
  const steps: string[] = [];
  const machines: ChildProcess[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vireo-image-'));
    const builder = createImageBuilder({ world, cacheDirectory: join(directory, 'cache') });
    expect(await builder.missing({ type: 'DemoDisk' })).toEqual([]);
    const built = await builder.build(
      { type: 'DemoDisk' },
      { directory, kind: 'Disk', signal: AbortSignal.timeout(240_000), progress: (text) => steps.push(text) },
    );
    disk = built.file;
  });
  afterEach(() => {
    for (const machine of machines.splice(0)) machine.kill('SIGKILL');
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  /** A machine on a copy of the disk; its console as text that grows. */
  const boot = async (...options: string[]) => {
    const copy = join(directory, `run-${machines.length}-${Date.now()}.qcow2`);
    await copyFile(disk, copy);
    const qmp = `${copy}.qmp`;
    const machine = spawn('qemu-system-x86_64', [
      ...[
        '-accel',
        'tcg,tb-size=128',
        '-M',
        'q35',
        '-cpu',
        'max',
        '-m',
        '256',
        '-nodefaults',
        '-no-user-config',
      ],
      ...['-display', 'none', '-serial', 'stdio', '-qmp', `unix:${qmp},server=on,wait=off`],
      ...['-drive', `file=${copy},if=none,id=d0,format=qcow2`, '-device', 'virtio-blk-pci,drive=d0'],
      ...['-netdev', 'user,id=n0,restrict=on', '-device', 'virtio-net-pci,netdev=n0,romfile=', ...options],
    ]);
    machines.push(machine);
    let text = '';
    machine.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const ended = new Promise<number | null>((resolve) => machine.on('exit', resolve));
    const says = (what: string) => until(`the console says ${what}`, async () => text.includes(what), 90_000);
    return { says, ended, qmp, text: () => text, type: (line: string) => machine.stdin?.write(`${line}\n`) };
  };
  const pressPowerButton = (qmp: string) => {
    const socket = connect(qmp);
    socket.on('error', () => {});
    socket.write('{"execute":"qmp_capabilities"}{"execute":"system_powerdown"}');
  };

  it('is a small qcow2 that stands alone, and nothing else is left of its making', async () => {
    expect(await inspectDisk(world, disk)).toMatchObject({ format: 'qcow2' });
    expect((await stat(disk)).size).toBeLessThan(64 * 1024 * 1024);
    expect((await readdir(directory)).sort()).toEqual(['cache', 'demo-disk.qcow2']);
    expect(steps.length).toBeGreaterThan(2);
  });

  it('boots to a prompt, gets an address, and follows the power button', async () => {
    const machine = await boot();
    await machine.says(readyMarker);
    await machine.says(`${addressMarker} eth0 10.0.2.15`);
    await machine.says('/root# ');
    machine.type('echo sum=$((20 + 22))');
    await machine.says('sum=42');
    pressPowerButton(machine.qmp);
    expect(await machine.ended).toBe(0);
  });

  it('ends and restarts by command', async () => {
    const machine = await boot('-no-reboot');
    await machine.says('/root# ');
    machine.type('reboot');
    expect(await machine.ended).toBe(0);
    expect(machine.text()).toContain('Restarting system');
  });

  it('boots by UEFI', async (test) => {
    const present = await access(firmware).then(
      () => true,
      () => false,
    );
    if (!present && process.env.CI === undefined) test.skip(`${firmware} is missing: apt-get install ovmf`);
    const own = join(directory, 'variables.fd');
    await copyFile(variables, own);
    const flash = (file: string, readonly: string) =>
      `if=pflash,format=raw,readonly=${readonly},file=${file}`;
    const machine = await boot('-drive', flash(firmware, 'on'), '-drive', flash(own, 'off'));
    await machine.says('/root# ');
    machine.type('poweroff');
    expect(await machine.ended).toBe(0);
  });
});
