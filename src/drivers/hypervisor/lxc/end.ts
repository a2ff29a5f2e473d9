/** How a run came to its end, read from what LXC's monitor logged when it waited for the container's first process. Pure. */
import type { GuestEnd } from '../contract.ts';

/**
 * The kernel ends the first process of a pid namespace by SIGINT when the guest asked to power off and by SIGHUP when it asked to reboot
 * (reboot(2)); LXC logs that (src/lxc/error.c) or, on exit code 0, only that the process is gone (src/lxc/start.c). Undefined: the log
 * holds no start of a container, so none ever ran. Nothing logged after a start: the monitor died first, by a crash or with the host.
 */
export function readEnd(log: string, sameBoot: boolean): GuestEnd | undefined {
  const run = lastRun(log);
  const pid = startLine.exec(run)?.[1];
  if (pid === undefined) return undefined;
  if (endedInOrder(run, pid)) return 'PoweredOff';
  return sameBoot ? 'Crashed' : 'HostRebooted';
}

const startLine = /^.* - Started "[^"]*" with pid "(\d+)".*$/m;

/** The log from the last start on; a container that rebooted itself has one for each time. Empty when none ever started. */
export function lastRun(log: string): string {
  const started = [...log.matchAll(new RegExp(startLine, 'gm'))].at(-1);
  return started === undefined ? '' : log.slice(started.index);
}

const powerOffSignal = '2';

function endedInOrder(log: string, pid: string): boolean {
  const ended = new RegExp(`Child <${pid}> ended on (.*)$`, 'm').exec(log)?.[1];
  if (ended !== undefined) return /^signal .*\((\d+)\)$/.exec(ended)?.[1] === powerOffSignal;
  return new RegExp(`Container init process ${pid} exited`).test(log);
}
