/**
 * After the API was restored from an older copy it may say that a guest is here which another host runs since. This host knows only of guests that
 * it has a record of: of the others it takes no word of the API before every host has said what it has.
 */
import { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { type Outcome, waiting } from '../../base/outcome.ts';
import type { Client } from '../../client/contract.ts';

export type Elsewhere = {
  /**
   * `done`: no host has a later placement of the guest than this epoch, nor a guest of its name that was made for another object, unless nothing of
   * that host's life runs any more. Anything else: nothing of it may be made or started here.
   */
  ask(guest: Asked, restored: number, signal: AbortSignal): Promise<Outcome>;
};

type Asked = { uuid: string; uid: string; epoch: number };

export type ElsewhereDeps = {
  host: string;
  client: Pick<Client, 'list'>;
  /** Milliseconds, monotonic. */
  now(): number;
};

/** Hosts report within seconds; a guest is claimed where it is right after. */
const RECHECK_MS = 5_000;
/** One look at all hosts answers for all guests that ask in this time. */
const LOOK_LASTS_MS = 2_000;

/** `seats`: by uuid, what other hosts have of each guest. `silent`: hosts that have not said what they have since the restore. */
type Look = {
  restored: number;
  at: number;
  silent: readonly string[];
  seats: ReadonlyMap<string, readonly Seat[]>;
};
/** `isOver`: said by a life of the host of which it is proven that nothing runs any more. */
type Seat = { host: string; uid: string; epoch: number; isOver: boolean };

export function createElsewhere({ host, client, now }: ElsewhereDeps): Elsewhere {
  let last: Promise<Look> | undefined;
  /** The first look in which all hosts had spoken: what is placed later than anybody knew then was placed since. */
  let whole: Look | undefined;

  const look = async (restored: number, signal: AbortSignal): Promise<Look> => {
    const known = await last?.catch(() => undefined);
    if (known !== undefined && known.restored === restored && now() - known.at < LOOK_LASTS_MS) return known;
    last = lookAtAll(client, { host, restored, at: now() }, signal);
    const seen = await last;
    if (seen.silent.length === 0 && whole?.restored !== restored) whole = seen;
    return seen;
  };

  return {
    ask: async (guest, restored, signal) => {
      const known = whole?.restored === restored ? (whole.seats.get(guest.uuid) ?? []) : undefined;
      if (known?.every(({ uid, epoch }) => uid === guest.uid && epoch < guest.epoch) === true)
        return { type: 'done' };
      const { silent, seats } = await look(restored, signal);
      if (silent.length > 0) {
        const message = `the API was restored from an older copy: waiting until ${silent.slice(0, 8).join(', ')} has said what runs there`;
        return waiting('ControlPlaneRolledBack', message, RECHECK_MS);
      }
      const there = seats.get(guest.uuid) ?? [];
      const other = there.find(({ uid, isOver }) => uid !== guest.uid && !isOver);
      const later = there.find(({ epoch }) => epoch > guest.epoch);
      const what =
        other === undefined
          ? later && `${later.host} was given the guest later than it says`
          : `${other.host} has a guest of this name that was made for another object: delete one of the two, or the Host if it is gone for good`;
      if (what === undefined) return { type: 'done' };
      return waiting(
        'ControlPlaneRolledBack',
        `the API was restored from an older copy: ${what}`,
        RECHECK_MS,
      );
    },
  };
}

async function lookAtAll(
  client: ElsewhereDeps['client'],
  { host, restored, at }: { host: string; restored: number; at: number },
  signal: AbortSignal,
): Promise<Look> {
  const others = (await client.list(Host, { signal })).items.filter(({ metadata }) => metadata.name !== host);
  const seats = new Map<string, Seat[]>();
  for (const one of others) {
    const isOver = isProvenOver(one);
    for (const { uuid, uid, epoch } of one.status?.guests ?? [])
      seats.set(uuid, [...(seats.get(uuid) ?? []), { host: nameOf(one), uid, epoch, isOver }]);
  }
  return { restored, at, seats, silent: others.filter((one) => isSilent(one, restored)).map(nameOf) };
}

/** It has not said what it has since the API was restored. */
export function isSilent({ status = {} }: Stored<Host>, restored: number): boolean {
  return status.inventoryAt === undefined || (status.incarnation ?? 0) < restored;
}

/** The proof speaks of all that the host has said it has: of a self-fence it does not. */
function isProvenOver({ status }: Stored<Host>): boolean {
  const { keeper, ha: { proof } = {} } = status ?? {};
  if (keeper === undefined || proof === undefined || proof.covers !== undefined) return false;
  return proof.bootID === keeper.bootID && proof.term === keeper.term;
}

function nameOf({ metadata }: Stored<Host>): string {
  return metadata.name;
}
