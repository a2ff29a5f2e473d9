/** How a run came to its end, read from what LXC's monitor logged when it waited for the container's first process. Pure. */
import type { GuestEnd } from '../contract.ts';

/**
 * The kernel ends the first process of a pid namespace by SIGINT when the guest asked to power off and by SIGHUP when it asked to reboot
 * (reboot(2)); LXC logs that (src/lxc/error.c) or, on exit code 0, only that the process is gone (src/lxc/start.c). Undefined: the log
 * holds no start of a container, so none ever ran. Nothing logged after a start: the monitor died first, by a crash or with the host.
 */
export function readEnd(log: string, sameBoot: boolean): GuestEnd | undefined {
  const started = [...log.matchAll(/ - Started "[^"]*" with pid "(\d+)"/g)].at(-1);
  if (started === undefined) return undefined;
  const pid = started[1];
  const after = log.slice(started.index);
  if (endedInOrder(after, pid)) return 'PoweredOff';
  return sameBoot ? 'Crashed' : 'HostRebooted';
}

const powerOffSignal = '2';

function endedInOrder(log: string, pid: string | undefined): boolean {
  const signal = new RegExp(`Child <${pid}> ended on signal \\S+\\((\\d+)\\)`).exec(log)?.[1];
  if (signal !== undefined) return signal === powerOffSignal;
  if (new RegExp(`Child <${pid}> ended on error`).test(log)) return false;
  return new RegExp(`Container init process ${pid} exited`).test(log);
}
