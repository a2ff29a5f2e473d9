/** When storage is to be taken from a host that may be lost: after a self-fence, or where that alone is enough, once no device can do better. Pure. */
import type { Decision, View } from './model.ts';
import { hasFencedItself, hasFrozen } from './proofs.ts';
import { poolsOf, type Suspect, TRIES, triesOf } from './revocations.ts';

/** A pool that did not answer is asked again after this. */
const AGAIN_MS = 10_000;

/** Its pools that are to be revoked now: none twice at one time, and none that has been. */
export function revocationsFor(suspect: Suspect, view: View): Decision[] {
  const { host, incident } = suspect;
  const isEnough = view.policy.storageRevocation === 'Sufficient';
  if (!(isEnough && isLastResort(suspect, view)) && !hasFencedItself(host, view)) return [];
  return poolsOf(suspect, view).flatMap((pool): Decision[] => {
    const { tried, count } = triesOf(pool, suspect, view);
    if (tried.some(({ result }) => result === undefined || result === 'Revoked')) return [];
    if (count >= TRIES && !isEnough) return [];
    const rested = view.since(`revoke-rest/${incident.id}/${pool}/${count}`, count > 0);
    if (count > 0 && rested < AGAIN_MS && isEnough) return [];
    const id = `${incident.id}-revoke-${pool}-${count}`;
    return [
      { type: 'Revoke', revocation: { id, host: host.name, incident: incident.id, pool }, life: incident },
    ];
  });
}

/** Every level of devices has been tried, or none may be; the host has been silent for as long as it takes to freeze its guests. */
function isLastResort({ host, incident }: Suspect, view: View): boolean {
  const { observer, now, fences } = view;
  if (!observer.isSuspect(host.name, now) || !hasFrozen(host, view)) return false;
  const ended = fences.filter(({ incident: of, result }) => of === incident.id && result !== undefined);
  const isOff = ended.some(({ result }) => result === 'PoweredOff');
  const reached = observer.heardBy(host.name, now).length > 0;
  return reached || (!isOff && new Set(ended.map(({ level }) => level)).size >= host.fencing.length);
}
