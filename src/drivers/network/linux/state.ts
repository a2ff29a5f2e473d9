/** What the driver remembers: the NAT subnet and who holds which interface and address. Written before the deed it describes. */
import type { Files } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';

export type Reservation = {
  guestId: string;
  nic: string;
  mac: string;
  hostname: string;
  namespace: string;
  ifname: string;
  plug: 'Tap' | 'Veth';
  bridge: string;
  /** On the NAT network only. */
  address?: string;
};

export type NetworkState = {
  subnet?: string;
  /** Boot in which forwarding was off before this driver turned it on. */
  forwardingOffInBoot?: string;
  /** By `<guest id>/<interface>`. */
  reservations: Map<string, Reservation>;
};

/** The key of a guest's interface. */
export function reservationKey(guestId: string, nic: string): string {
  return `${guestId}/${nic}`;
}

/** Reads the state; nothing there is an empty one. Throws ReasonedError NetworkStateDamaged: guessing would hand out addresses twice. */
export async function readState(files: Files, path: string): Promise<NetworkState> {
  const text = await files.readText(path);
  if (text === undefined) return { reservations: new Map() };
  try {
    const { reservations, ...rest } = JSON.parse(text) as Omit<NetworkState, 'reservations'> & {
      reservations: Reservation[];
    };
    return {
      ...rest,
      reservations: new Map(reservations.map((entry) => [reservationKey(entry.guestId, entry.nic), entry])),
    };
  } catch (cause) {
    const message = `${path} is unreadable; stop the guests of this host, remove the file and start them again`;
    throw new ReasonedError('NetworkStateDamaged', message, { stalled: true, cause });
  }
}

/** Writes the state so that a crash leaves the old or the new one. */
export async function writeState(files: Files, path: string, state: NetworkState): Promise<void> {
  const { reservations, ...rest } = state;
  const stored = { ...rest, reservations: [...reservations.values()] };
  await files.writeAtomic(path, `${JSON.stringify(stored, undefined, 1)}\n`, { mode: 0o600 });
}

/** Those of the NAT network. */
export function natReservations(state: NetworkState): (Reservation & { address: string })[] {
  return [...state.reservations.values()].filter(
    (entry): entry is Reservation & { address: string } => entry.address !== undefined,
  );
}
