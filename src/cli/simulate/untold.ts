/**
 * Guests of the model that were claimed on a host and have not been told yet in which of its lives they may run, as on real hosts after the claim of
 * src/cluster/placement and before the word of src/cluster/recovery/admit.ts: nothing is decided of them, and others reckon with them.
 */
import { type GuestRecord, type Life, NO_LIFE, type Rule, waitsUntold } from '../../cluster/ha/model.ts';
import type { Observer } from '../../cluster/ha/observer.ts';
import type { Objection } from '../../cluster/ha/round.ts';
import type { Objects } from './api.ts';
import type { Claim } from './restored.ts';

/** It is that of no host, and of nobody who was told that his host's life is not known. */
export const UNTOLD: Life = { bootID: 'untold', term: 0 };

export function isUntold({ placement }: GuestRecord): boolean {
  return placement?.bootID === UNTOLD.bootID;
}

/**
 * The life of its host for each: the one on record, or that of another boot, in which the host speaks by its Lease and its agent; none when the host is
 * lost before that is known.
 */
export function wordsOf({ guests, hosts, statements }: Objects, observer: Pick<Observer, 'lease'>): Claim[] {
  return [...guests].flatMap(([guest, { version, value }]) => {
    const { placement } = value.record;
    if (placement === undefined) return [];
    const { host } = placement;
    const state = hosts.get(host)?.value.state;
    const isLost = state !== undefined && state !== 'Online' && state !== 'Maintenance';
    if (!isUntold(value.record) && (isLost || !waitsUntold(value.record))) return [];
    const said = statements.get(host)?.value.life;
    const boots = [said?.bootID, observer.lease(host)?.bootID];
    const known = hosts.get(host)?.value.life;
    const isKnown = boots.every((boot) => boot === undefined || boot === known?.bootID);
    const spoken = isKnown ? known : boots[0] === boots[1] ? said : undefined;
    const life = spoken ?? (isLost ? NO_LIFE : undefined);
    if (life === undefined) return [];
    const record = { ...value.record, placement: { ...placement, bootID: life.bootID, term: life.term } };
    return [{ guest, version, next: { ...value, record } }];
  });
}

/** Memory they take on the host, in bytes. */
export function bytesOfUntold({ guests }: Objects, host: string): number {
  let bytes = 0;
  for (const { value } of guests.values())
    if (value.record.placement?.host === host && isUntold(value.record)) bytes += value.spec.memoryBytes;
  return bytes;
}

/** Strict rules hold for them, too. */
export function besideUntold({ guests }: Objects, rules: readonly Rule[]): Objection {
  const places = new Map<string, string>();
  for (const [id, { value }] of guests)
    if (isUntold(value.record)) places.set(id, value.record.placement?.host ?? '');
  return (guest, host) => {
    if (places.size === 0) return undefined;
    for (const { strict, type, guests: members } of rules) {
      if (!strict || !members.includes(guest.id)) continue;
      for (const other of members) {
        const place = other === guest.id ? undefined : places.get(other);
        if (place !== undefined && (place === host.name) === (type === 'KeepApart'))
          return type === 'KeepApart' ? `keeps apart from ${other}` : `keeps together with ${other}`;
      }
    }
    return undefined;
  };
}
