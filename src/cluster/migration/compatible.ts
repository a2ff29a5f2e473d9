/** Whether a machine that runs on one host can go on running on another, by what both report. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { StoredGuest } from '../guests.ts';

/** As agents report it; one that reports no features is asked when the guest comes. */
const USERFAULTFD = 'userfaultfd';

type Reported = Pick<Host, 'status'>;

/** Why the running guest cannot go on on `target`, to be read after the host's name; undefined when it can. */
export function liveRefusal(
  guest: StoredGuest,
  source: Reported,
  target: Reported,
  { postCopy }: { postCopy: boolean },
): string | undefined {
  const from = source.status ?? {};
  const to = target.status ?? {};
  if (from.cpu?.accelerator !== to.cpu?.accelerator) {
    return `runs machines by ${to.cpu?.accelerator ?? 'nothing'}, the source by ${from.cpu?.accelerator ?? 'nothing'}`;
  }
  if (isOlder(to.qemu, from.qemu))
    return `has QEMU ${to.qemu ?? '?'}, older than ${from.qemu ?? '?'} of the source`;
  if (postCopy && to.kernelFeatures?.includes(USERFAULTFD) === false)
    return 'cannot run a guest before its memory is there: its kernel has no userfaultfd';
  return cpuRefusal(guest, from, to);
}

/** `host` and `max` show the guest every flag of the source's processor: the target must have them all. */
function cpuRefusal(
  guest: StoredGuest,
  from: NonNullable<Host['status']>,
  to: NonNullable<Host['status']>,
): string | undefined {
  const model = guest.status?.effective?.['cpu.model'];
  if (model !== 'host' || from.cpu?.accelerator !== 'kvm') return undefined;
  const has = new Set(to.cpu?.flags ?? []);
  const missing = (from.cpu?.flags ?? []).filter((flag) => !has.has(flag));
  if (from.cpu?.vendor !== to.cpu?.vendor)
    return 'has a processor of another vendor, and the cpu model is host';
  return missing.length === 0
    ? undefined
    : `lacks processor flags that the guest sees by its cpu model host: ${missing.slice(0, 8).join(', ')}`;
}

/** Compares versions such as 7.2.9; what is not one is not older. */
function isOlder(version: string | undefined, than: string | undefined): boolean {
  const [a, b] = [version, than].map((text) =>
    /^\d+(\.\d+)*/
      .exec(text ?? '')?.[0]
      .split('.')
      .map(Number),
  );
  if (a === undefined || b === undefined) return false;
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
