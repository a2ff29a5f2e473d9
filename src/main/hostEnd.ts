/** Whether this host is about to go down, as systemd says: how an agent tells that from being stopped or upgraded. */
import type { EndKind } from '../agent/host/ending.ts';
import type { Processes } from '../base/processes.ts';

const ASK_MS = 5_000;

/** A job that starts one of these targets; systemctl(1) list-jobs, systemd.special(7). */
const TARGETS: Readonly<Record<string, EndKind>> = {
  'reboot.target': 'Reboot',
  'kexec.target': 'Reboot',
  'poweroff.target': 'PowerOff',
  'halt.target': 'PowerOff',
};

/** Undefined where the host stays, or nobody can tell: without systemd, or where it does not answer. */
export async function hostEnd(processes: Pick<Processes, 'run'>): Promise<EndKind | undefined> {
  const asked = await processes
    .run(['systemctl', 'list-jobs', '--no-legend', '--no-pager'], { timeoutMs: ASK_MS })
    .catch(() => undefined);
  if (asked?.code !== 0) return undefined;
  for (const line of asked.stdout.split('\n')) {
    const [, unit = '', type] = line.trim().split(/\s+/);
    if (type === 'start' && TARGETS[unit] !== undefined) return TARGETS[unit];
  }
  return undefined;
}
