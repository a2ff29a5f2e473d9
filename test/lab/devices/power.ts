/** What a device does to a machine of the lab, as shell commands. */
import { thawCommand } from '../groups.ts';
import type { Machine } from '../machine.ts';
import type { PowerCommands } from './daemon.ts';

/** What the controller of a lab's host does: it is off when nothing runs in its namespaces, not even what its keeper has frozen. */
export function powerOf({ namespace, groups }: Machine): PowerCommands {
  const pids = `ip netns pids ${namespace}`;
  const kill = `kill -9 $p 2>/dev/null; ${thawCommand(groups)}`;
  return {
    isOn: `test -n "$(${pids})"`,
    on: 'true',
    off: `for i in 1 2 3 4 5; do p=$(${pids}); test -z "$p" && break; ${kill}; sleep 0.1; done`,
  };
}

/** One that says what it was told, and does nothing. */
export function lyingPower(file: string): PowerCommands {
  return { isOn: `test ! -e ${file}`, on: `rm -f ${file}`, off: `touch ${file}` };
}
