/** What LXC's log says of the end of a run; the lines are LXC 5.0.2's. */
import { describe, expect, it } from 'vitest';
import { lastRun, readEnd } from '../../../../src/drivers/hypervisor/lxc/end.ts';

const started = (pid: number) =>
  `lxc-start c1 20261120113713.129 NOTICE   start - ../src/lxc/start.c:post_start:2205 - Started "/sbin/init" with pid "${pid}"\n`;
const exited = (pid: number) =>
  `lxc-start c1 20261120113851.661 DEBUG    start - ../src/lxc/start.c:signal_handler:464 - Container init process ${pid} exited\n`;
const ended = (pid: number, how: string) =>
  `${exited(pid)}lxc-start c1 20261120113747.648 INFO     error - ../src/lxc/error.c:lxc_error_set_and_log:34 - Child <${pid}> ended on ${how}\n`;

describe('the end of a run', () => {
  it.each([
    ['a power-off', started(7) + ended(7, 'signal Interrupt(2)'), 'PoweredOff'],
    ['an init that exits in order', started(7) + exited(7), 'PoweredOff'],
    ['an init that exits with an error', started(7) + ended(7, 'error (3)'), 'Crashed'],
    ['an init that was killed', started(7) + ended(7, 'signal Killed(9)'), 'Crashed'],
    ['a fault of init', started(7) + ended(7, 'signal Segmentation fault(11)'), 'Crashed'],
    ['a monitor that died first', started(7), 'Crashed'],
    ['a reboot that did not come back', started(7) + ended(7, 'signal Hangup(1)'), 'Crashed'],
    [
      'a power-off after reboots',
      started(7) + ended(7, 'signal Hangup(1)') + started(9) + ended(9, 'signal Interrupt(2)'),
      'PoweredOff',
    ],
    ['a crash after reboots', started(7) + ended(7, 'signal Interrupt(2)') + started(9), 'Crashed'],
  ] as const)('by %s is told', (_, log, expected) => {
    expect(readEnd(log, true)).toBe(expected);
  });

  it('is the host’s when it was rebooted, unless the guest had powered off before', () => {
    expect(readEnd(started(7), false)).toBe('HostRebooted');
    expect(readEnd(started(7) + ended(7, 'signal Killed(9)'), false)).toBe('HostRebooted');
    expect(readEnd(started(7) + ended(7, 'signal Interrupt(2)'), false)).toBe('PoweredOff');
  });

  it('is none when nothing ever started', () => {
    expect(readEnd('', true)).toBeUndefined();
    expect(
      readEnd(
        'lxc-start c1 ERROR    start - ../src/lxc/start.c:f:1 - Failed to spawn container "c1"\n',
        true,
      ),
    ).toBeUndefined();
  });

  it('does not take pid 71 for pid 7', () => {
    expect(readEnd(started(7) + ended(71, 'signal Interrupt(2)'), true)).toBe('Crashed');
  });

  it('stays the same when earlier runs are cut from the log', () => {
    const log = started(7) + ended(7, 'signal Hangup(1)') + started(9) + ended(9, 'signal Interrupt(2)');
    expect(lastRun(log)).toBe(started(9) + ended(9, 'signal Interrupt(2)'));
    expect(readEnd(lastRun(log), true)).toBe('PoweredOff');
  });
});
