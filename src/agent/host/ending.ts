/**
 * The orderly end of this host as its agent knows it: what is announced, that nothing starts from then on, and when the word of an earlier life is
 * taken back. A life that has said that it is stopped never runs a guest again, whoever starts this agent anew in the same boot.
 */
import type { HostHaStatus, HostShutdown } from '../../api/ha.ts';
import type { HostStatus } from '../../api/kinds/host.ts';
import { timeOf } from '../../base/clock.ts';
import type { Life } from '../../keeper/contract.ts';
import { type Announcement, createAnnouncement } from '../announcement.ts';

export type EndKind = HostShutdown['kind'];

export type Ending = {
  /** From now on no guest starts here; the next report says so. */
  announce(kind: EndKind): void;
  /** From now on guests are to be off, all but those with these ids: others that still run depend on them. */
  holdOff(needed: ReadonlySet<string>): void;
  /** Nothing of this life runs, and nothing of it will. */
  stopped(life: Life): void;
  isAnnounced(): boolean;
  isHoldingOff(id: string): boolean;
  /** Why no guest may start here now; undefined while they may. */
  closed(): { reason: string; message: string } | undefined;
  /** `status.shutdown` over what stands there. */
  field(before: HostStatus, facts: EndFacts): Pick<HostStatus, 'shutdown'>;
  readonly changed: Announcement<void>;
};

export type EndFacts = { bootID: string | undefined; life: Life | undefined };

export type EndingOptions = {
  bootID: string | undefined;
  /** Newest status of the Host that this agent has seen; undefined before the first. */
  known(): HostStatus | undefined;
  /** Wall clock, milliseconds. */
  now(): number;
};

type Own = { kind: EndKind; since: string; stopped?: { life: Life; at: string } };

export function createEnding({ bootID, known, now }: EndingOptions): Ending {
  const changed = createAnnouncement<void>();
  const stamp = () => timeOf(now());
  let own: Own | undefined;
  /** Who runs on while all others are held off; undefined: nobody is. */
  let runsOn: ReadonlySet<string> | undefined;

  return {
    changed,
    announce: (kind) => {
      own ??= { kind, since: stamp() };
      changed.tell();
    },
    holdOff: (needed) => {
      runsOn = needed;
    },
    stopped: (life) => {
      if (own === undefined) return;
      own = { ...own, stopped: { life, at: stamp() } };
      changed.tell();
    },
    isAnnounced: () => own !== undefined,
    isHoldingOff: (id) => runsOn?.has(id) === false,
    closed: () => {
      if (own !== undefined)
        return { reason: 'HostShuttingDown', message: 'the host is shutting down: no guest starts here' };
      if (!isSpent(known()?.shutdown, bootID)) return undefined;
      const message =
        'this host has said that it is shut down: guests start when high availability has seen that it lives anew, or after a reboot';
      return { reason: 'HostShutDown', message };
    },
    field: (before, facts) => {
      if (own !== undefined) return { shutdown: statement(own, facts) };
      const { shutdown } = before;
      return shutdown === undefined || isOver(shutdown, before.ha, facts) ? {} : { shutdown };
    },
  };
}

/** This very boot has said that it runs nothing. */
function isSpent(shutdown: HostShutdown | undefined, bootID: string | undefined): boolean {
  return shutdown?.stoppedAt !== undefined && shutdown.bootID === (bootID ?? '');
}

function statement({ kind, since, stopped }: Own, { bootID = '', life }: EndFacts): HostShutdown {
  if (stopped !== undefined) return { kind, ...stopped.life, since, stoppedAt: stopped.at };
  return { kind, ...(life ?? { bootID, term: 0 }), since };
}

/**
 * Announced and not reached, by a process that is gone: this one lives. What was reached is taken back once another life is on record: until then the
 * manager may still act on it, and must know what kind of end it was.
 */
function isOver(shutdown: HostShutdown, ha: HostHaStatus | undefined, { bootID, life }: EndFacts): boolean {
  if (shutdown.stoppedAt === undefined) return true;
  const isAnew = (one: Life | undefined) =>
    one !== undefined && (one.bootID !== shutdown.bootID || one.term > shutdown.term);
  // Nothing is on record where high availability is off: then what counts is that the boot, or the keeper, is another.
  if (ha === undefined) return shutdown.bootID !== (bootID ?? '') || isAnew(life);
  return isAnew(ha.life) && isAnew(life);
}
