/** Has this agent listen for others as soon as it can, and says where that is. */
import type { World } from '../../base/world.ts';
import { type Announcement, createAnnouncement } from '../announcement.ts';
import type { Peers, Place } from './peers.ts';

/** Without a certificate or an address it is tried again after this. */
const RETRY_MS = 30_000;
/** The certificate that is shown to others is another one by and by. */
const LOOK_MS = 600_000;

export type Listening = {
  /** Undefined: nobody can reach it yet. */
  place(): Place | undefined;
  readonly changed: Announcement<void>;
  /** Until the signal; never rejects. */
  run(signal: AbortSignal): Promise<void>;
};

export function createListening(
  peers: Pick<Peers, 'place'> | undefined,
  { clock, log }: Pick<World, 'clock' | 'log'>,
): Listening {
  let known: Place | undefined;
  let said = '';
  const changed = createAnnouncement<void>();
  const look = async (from: Pick<Peers, 'place'>): Promise<number> => {
    try {
      const { address, port } = await from.place();
      const isNew = known?.address !== address || known.port !== port;
      known = { address, port };
      if (isNew) changed.tell();
      return LOOK_MS;
    } catch (error) {
      if (said !== String(error)) log.warn('other hosts cannot reach this agent', { message: String(error) });
      said = String(error);
      return RETRY_MS;
    }
  };
  return {
    place: () => known,
    changed,
    run: async (signal) => {
      while (peers !== undefined && !signal.aborted) {
        const waitMs = await look(peers);
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    },
  };
}
