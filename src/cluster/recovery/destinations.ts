/** Why a guest cannot be started on a host, beyond what the engine knows: its old host may live, its volumes stay behind, placement refuses. */
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import { poolsOf, type StoredGuest } from '../guests.ts';
import type { GuestView, HostView } from '../ha/model.ts';
import type { Verdict } from '../placement/choose.ts';
import { isCertainlyDead } from './evidence.ts';
import { isDeleted } from './guestViews.ts';

export type DestinationFacts = {
  guest(id: string): StoredGuest | undefined;
  host(name: string): Stored<Host> | undefined;
  pool(name: string): Stored<StoragePool> | undefined;
  judge(guest: StoredGuest): readonly Verdict[];
};

/** What keeps a guest from every host but its own, or what placement says of each. */
type Answers = { refused: string } | { verdicts: ReadonlyMap<string, Verdict> };

/** For one round: what does not depend on the host, and what placement says of a guest, is asked once. */
export function createObjection(facts: DestinationFacts) {
  const answers = new Map<string, Answers>();
  const ask = (guest: StoredGuest, { uid, record }: GuestView, from: string): Answers => {
    const old = facts.host(from);
    const isFree = record.state === 'Recovering' || (old !== undefined && isCertainlyDead(record, uid, old));
    if (!isFree) return { refused: `it is not proven that ${from} runs it no more` };
    if (isDeleted(guest)) return { verdicts: new Map() };
    const left = volumesLeftBehind(guest, facts.pool);
    if (left !== undefined) return { refused: notShared(left) };
    return { verdicts: new Map(facts.judge(guest).map((verdict) => [verdict.host, verdict])) };
  };

  return (view: GuestView, { name }: HostView): string | undefined => {
    const from = view.record.placement?.host;
    if (from === undefined || from === name) return undefined;
    const guest = facts.guest(view.id);
    if (guest === undefined) return 'the guest is gone';
    const known = answers.get(view.id) ?? ask(guest, view, from);
    answers.set(view.id, known);
    if ('refused' in known) return known.refused;
    if (isDeleted(guest)) return outOfReach(guest, facts.host(name), facts.pool);
    const verdict = known.verdicts.get(name);
    if (verdict === undefined) return 'placement does not know the host';
    return verdict.fits ? undefined : verdict.reason;
  };
}

/** A shared pool in which volumes of the guest lie that the host could not remove. */
function outOfReach(
  { status }: StoredGuest,
  host: Stored<Host> | undefined,
  pool: DestinationFacts['pool'],
): string | undefined {
  const healthy = new Set((host?.status?.pools ?? []).flatMap((one) => (one.healthy ? [one.name] : [])));
  const missing = (status?.volumes ?? []).find(
    (volume) => pool(volume.pool)?.spec.shared === true && !healthy.has(volume.pool),
  );
  return missing === undefined ? undefined : `it does not have the StoragePool ${missing.pool}`;
}

/** A pool of the guest that only its old host can read. */
export function volumesLeftBehind(guest: StoredGuest, pool: DestinationFacts['pool']): string | undefined {
  return poolsOf(guest).find((name) => pool(name)?.spec.shared !== true);
}

export function notShared(pool: string): string {
  return `its volumes lie in ${pool}, which is not shared`;
}
