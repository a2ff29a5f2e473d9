/** The small decisions of the QEMU driver: how a run ended, whose process that is, why QEMU refused, what a run state means. */
import { describe, expect, it } from 'vitest';
import { parseMachineTypes } from '../../../../src/drivers/hypervisor/qemu/facts.ts';
import { optionList } from '../../../../src/drivers/hypervisor/qemu/plan/options.ts';
import { probeImage } from '../../../../src/drivers/hypervisor/qemu/probe/image.ts';
import { guestOf } from '../../../../src/drivers/hypervisor/qemu/processes.ts';
import { endOf, type RunRecord } from '../../../../src/drivers/hypervisor/qemu/record.ts';
import { refusal } from '../../../../src/drivers/hypervisor/qemu/refusal.ts';
import { machineSockets } from '../../../../src/drivers/hypervisor/qemu/sockets.ts';
import { runState } from '../../../../src/drivers/hypervisor/qemu/status.ts';
import { guest, smallMachine } from './machine.ts';

describe('how a run ended whose process is gone', () => {
  const record: RunRecord = {
    uuid: guest.uuid,
    process: { pid: 7, startTicks: 1, bootId: 'this boot' },
    startedAt: '2026-01-01T00:00:00Z',
    request: smallMachine,
    hardware: { machineType: 'pc-q35-7.2', cpuModel: 'max', addresses: {} },
  };
  const earlier = { ...record.process, bootId: 'an earlier boot' };

  it.each([
    ['nothing to tell of a guest without a record', undefined, undefined],
    ['a crash when nobody ended it', record, 'Crashed'],
    ['a reboot when the host is in another boot', { ...record, process: earlier }, 'HostRebooted'],
    ['its own power-off when that was seen', { ...record, ended: 'PoweredOff' as const }, 'PoweredOff'],
    [
      'its own power-off even when the host rebooted afterwards',
      { ...record, ended: 'PoweredOff' as const, process: earlier },
      'PoweredOff',
    ],
    ['nothing when it was killed', { ...record, killed: true }, undefined],
  ])('is %s', (_, given, expected) => {
    expect(endOf(given, 'this boot')).toBe(expected);
  });
});

describe('whose process a command line is', () => {
  const run = '/run/vireo/1a2b3c4d';
  const argv = (directory: string, id: string) => {
    const path = machineSockets(directory, id).qmp;
    return ['qemu', '-chardev', optionList('socket', { id: 'char-monitor', path, server: true })];
  };

  it('is told by the monitor socket', () => {
    expect(guestOf(argv(run, 'k3jd82mxq0p1z'), run)).toBe('k3jd82mxq0p1z');
  });

  it('is not ours when it belongs to another agent of this machine', () => {
    expect(guestOf(argv('/run/vireo/1a2b3c4', 'k3jd82mxq0p1z'), run)).toBeUndefined();
    expect(guestOf(argv('/run/vireo/1a2b3c4d/nested', 'k3jd82mxq0p1z'), run)).toBeUndefined();
  });

  it('is nobody we know otherwise', () => {
    expect(guestOf(['less', '/run/vireo/1a2b3c4d/x/q'], run)).toBeUndefined();
  });
});

describe('why QEMU refused', () => {
  const line = (text: string) => `2026-11-20T11:54:49.000000Z qemu-system-x86_64: ${text}\n`;

  it.each([
    [
      'VolumeLocked',
      '-blockdev {...}: Failed to get "write" lock\nIs another process using the image [/pool/a]?',
    ],
    ['VolumeBroken', '-blockdev {...}: Image is not in qcow2 format'],
    ['VolumeMissing', "-blockdev {...}: Could not open '/pool/a': No such file or directory"],
    ['MemoryShortage', 'cannot set up guest memory "pc.ram": Cannot allocate memory'],
    ['InterfaceMissing', '-netdev tap: could not configure /dev/net/tun (v1): Device or resource busy'],
    ['HardwareUnsupported', "unable to find CPU model 'Zen9'"],
    ['QemuFailed', 'something never heard of'],
  ])('is %s', (reason, text) => {
    const error = refusal('web', line(text), 1);
    expect(error.reason).toBe(reason);
    expect(error.message).toContain('web cannot start');
  });

  it('is not a warning that came before', () => {
    const output = line('warning: host doesn’t support requested feature') + line('something else');
    expect(refusal('web', output, 1).message).toBe(
      'web cannot start: QEMU ended with code 1: something else',
    );
  });

  it('is said even when QEMU said nothing', () => {
    expect(refusal('web', '', 139).message).toBe('web cannot start: QEMU ended with code 139');
  });
});

describe('run states', () => {
  it.each([
    ['prelaunch', 'Prelaunch'],
    ['running', 'Running'],
    ['paused', 'Paused'],
    ['io-error', 'Paused'],
    ['shutdown', 'PoweredOff'],
    ['internal-error', 'Crashed'],
    ['a state of a later QEMU', 'Paused'],
  ])('%s is %s', (status, state) => {
    expect(runState(status)).toBe(state);
  });
});

describe('facts', () => {
  it('find the newest type behind an alias, also on other distributions', () => {
    const help = [
      'pc                   RHEL 7.6.0 PC (i440FX + PIIX, 1996) (alias of pc-i440fx-rhel7.6.0)',
      'pc-i440fx-rhel7.6.0  RHEL 7.6.0 PC (i440FX + PIIX, 1996) (default) (deprecated)',
      'q35                  RHEL-9.4.0 PC (Q35 + ICH9, 2009) (alias of pc-q35-rhel9.4.0)',
    ].join('\n');
    expect(parseMachineTypes(help)).toEqual({ q35: 'pc-q35-rhel9.4.0', pc: 'pc-i440fx-rhel7.6.0' });
    expect(parseMachineTypes('')).toBeUndefined();
  });

  it('carry a probe that a multiboot loader accepts', () => {
    const image = probeImage();
    const header = new DataView(image.buffer, image.byteOffset);
    const word = (offset: number) => header.getUint32(offset, true);
    expect(word(0)).toBe(0x1badb002);
    expect((word(0) + word(4) + word(8)) >>> 0).toBe(0);
    expect(word(20) - word(16)).toBe(image.length);
  });
});
