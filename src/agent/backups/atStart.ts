/** Begins the copies that a Backup by Stop waits for, when its guest is there again and has not run yet. */
import type { CopyBegun, GuestCopies, GuestHandle } from '../../drivers/hypervisor/contract.ts';
import type { GuestRecord } from '../record.ts';

export type AtStart = {
  record(): GuestRecord | undefined;
  copies: Pick<GuestCopies, 'begin' | 'end'>;
  /** On disk when it resolves. */
  update(change: (record: GuestRecord) => GuestRecord): Promise<unknown>;
  /** Wall clock, milliseconds. */
  now(): number;
};

/** False: nothing waits. The guest starts in any case: what could not be begun is said to the Backup. */
export async function beginCopies(deps: AtStart, guest: GuestHandle): Promise<boolean> {
  const waiting = deps.record()?.lock?.copies;
  if (waiting === undefined || waiting.begunAt !== undefined || waiting.failed !== undefined) return false;
  const said = await begin(deps, guest, waiting.disks);
  await deps.update((record) =>
    record.lock?.copies === undefined
      ? record
      : { ...record, lock: { ...record.lock, copies: { ...record.lock.copies, ...said } } },
  );
  return true;
}

async function begin(
  { copies, now }: AtStart,
  guest: GuestHandle,
  disks: Parameters<GuestCopies['begin']>[1],
): Promise<{ begunAt: number; begun: readonly CopyBegun[] } | { failed: string }> {
  try {
    const begun = await copies.begin(guest, disks);
    return { begunAt: now(), begun };
  } catch (error) {
    await copies.end(guest).catch(() => undefined);
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}
