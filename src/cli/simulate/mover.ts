/**
 * A guest's move between two simulated hosts, both sides. The target's process waits; the source stands still, then hands over by one
 * compare-and-swap of the placement. Whoever does not know whether that was done asks until it knows, and nothing runs meanwhile.
 */
import { type GuestReport, guardKey, isSameLife, type Life, type Placement } from '../../cluster/ha/model.ts';
import type { Caller, StoredGuest } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { Process, SimHost } from './host.ts';

export type Mover = {
  lookAt(guest: string, stored: StoredGuest): void;
  /** The life in which this host is ready to take the guest with this epoch. */
  ready(guest: string, epoch: number): Life | undefined;
};

export type MoverOptions = {
  host: SimHost;
  cluster: Cluster;
  caller: Caller;
  after(ms: number, run: () => void): void;
  life(): Life;
  setReport(guest: string, change: Partial<GuestReport>): void;
  /** Whether the end of this host is announced, and what is said of its guests. */
  memory: { shutdown: unknown; reports: ReadonlyMap<string, unknown> };
  end(guest: string): void;
  ask(guest: string, uid: string, epoch: number, then: () => void, otherwise: () => void): void;
};

const STOP_TAKES_MS = 2_000;
const MEET_EVERY_MS = 250;
const MEET_LIMIT_MS = 15_000;

export function createMover(options: MoverOptions): Mover {
  const { host, cluster, caller, after, life, setReport, memory, end, ask } = options;
  const { api } = cluster;
  const begun = new Set<string>();
  const failed = new Set<string>();
  const incoming = new Map<string, { epoch: number; isListed: boolean }>();

  const lookAt = (id: string, stored: StoredGuest): void => {
    const { placement, target, move, state } = stored.record;
    const isMoving = (state === 'Migrating' || state === 'Relocating') && move !== undefined;
    if (isMoving && placement?.host === host.name && target !== host.name) send(id, stored, move.id);
    if (isMoving && target === host.name && placement?.host !== host.name && state === 'Migrating')
      prepare(id, stored);
    const own = host.processes.get(id);
    // An agent before this one had handed it over, or was about to: it must be known before anything runs.
    const isClaimed = placement?.host === host.name && placement.epoch > (own?.epoch ?? 0);
    // The API was restored meanwhile: nobody knows here which epoch the target has, until every host has said what it has.
    if (own?.state === 'HandedOver' && own.askedOf !== host.seen) {
      if (!isClaimed) setReport(id, { epoch: own.epoch + 1, state: 'Preparing' });
      else if (isSameLife(placement, life()) && host.keeper()?.isOpen() === true) resumeHere(id, own);
      return;
    }
    if (own?.state === 'HandedOver' && !begun.has(`${id}@${own.epoch}`)) {
      begun.add(`${id}@${own.epoch}`);
      settle(id, move?.id ?? '', own.epoch);
    }
    if (own?.state !== 'Incoming') return;
    if (placement?.host === host.name && placement.epoch === own.epoch) resume(id, own);
    // Also what waits for another move than this one, when the word that it was over was missed.
    else if (target !== host.name || !isMoving || own.epoch !== (placement?.epoch ?? 0) + 1) drop(id);
  };

  const prepare = (id: string, { uid, record }: StoredGuest): void => {
    const epoch = (record.placement?.epoch ?? 0) + 1;
    // Nobody comes to a host that goes down: it says that nothing of it runs.
    if (memory.shutdown !== undefined) return;
    if (incoming.get(id)?.epoch === epoch || host.processes.has(id)) return;
    const place = { epoch, isListed: false };
    incoming.set(id, place);
    host.processes.set(id, { guest: id, uid, epoch, state: 'Incoming' });
    host.keeper()?.guard(guardKey(uid, epoch), () => {
      place.isListed = true;
    });
  };

  const drop = (id: string): void => {
    const own = host.processes.get(id);
    incoming.delete(id);
    if (own?.state !== 'Incoming') return;
    host.processes.delete(id);
    host.keeper()?.release(guardKey(own.uid, own.epoch));
    // What was said of an earlier stay was said of the object that was to come.
    if (memory.reports.has(id)) setReport(id, {});
  };

  const resume = (id: string, { uid, epoch }: Process): void => {
    const key = guardKey(uid, epoch);
    const place = incoming.get(id);
    // Let go meanwhile, and taken back: the gate has it guarded again first (passGate in src/agent/guests/gate.ts).
    if (host.keeper()?.isGuarded(key) === false && place !== undefined) {
      place.isListed = false;
      host.keeper()?.guard(key, () => {
        place.isListed = true;
      });
    }
    if (place?.isListed === false) return;
    ask(
      id,
      uid,
      epoch,
      () => {
        const own = host.processes.get(id);
        if (own?.state !== 'Incoming' || own.epoch !== epoch) return;
        if (host.keeper()?.isOpen() !== true) return;
        incoming.delete(id);
        host.epochs.set(uid, Math.max(epoch, host.epochs.get(uid) ?? 0));
        own.state = 'Running';
        cluster.invariants.executing(host, id);
        setReport(id, { epoch, state: 'Running', failures: 0 });
      },
      () => {},
    );
  };

  const fail = (id: string, move: string): void => {
    const own = host.processes.get(id);
    if (own?.state === 'HandedOver') {
      if (host.keeper()?.isOpen() !== true) {
        after(MEET_EVERY_MS, () => fail(id, move));
        return;
      }
      own.state = 'Running';
      cluster.invariants.executing(host);
    }
    cluster.moveEnded(move, 'Failed');
    failed.add(move);
    setReport(id, { moveFailed: move });
  };

  const send = (id: string, stored: StoredGuest, move: string): void => {
    const own = host.processes.get(id);
    const isBegun = begun.has(move) && cluster.flaw.agent !== 'MovesTwice';
    // An older copy of the API waits for the end of a move before the last one: it has been there.
    if (isBegun && failed.has(move)) setReport(id, { moveFailed: move });
    // One that was claimed under another epoch adopts that first.
    if (isBegun || own?.state !== 'Running' || own.epoch !== stored.record.placement?.epoch) return;
    begun.add(move);
    const isLive = stored.record.state === 'Migrating';
    const target = stored.record.target ?? '';
    cluster.moveBegan(move, id, isLive, host.name, target);
    if (isLive) meet(id, target, move, own.epoch + 1, stored, host.mono());
    else after(STOP_TAKES_MS, () => offline(id, target, move, own.epoch));
  };

  const resumeHere = (id: string, own: Process): void => {
    own.state = 'Running';
    cluster.invariants.executing(host);
    setReport(id, { epoch: own.epoch, state: 'Running' });
  };

  const stand = (own: Process): void => {
    own.state = 'HandedOver';
    own.askedOf = host.seen;
    begun.add(`${own.guest}@${own.epoch}`);
  };

  /** One that was claimed under another epoch meanwhile stays, and its move has failed. */
  const stillOurs = (id: string, move: string, epoch: number): Process | undefined => {
    const own = host.processes.get(id);
    if (own?.state !== 'Running') return undefined;
    if (own.epoch === epoch) return own;
    fail(id, move);
    return undefined;
  };

  const offline = (id: string, target: string, move: string, epoch: number): void => {
    const own = stillOurs(id, move, epoch);
    if (own === undefined) return;
    const there = cluster.host(target)?.keeper()?.life();
    if (there === undefined || !cluster.reaches(host.name, target) || cluster.moveFails(id, target)) {
      fail(id, move);
      return;
    }
    stand(own);
    handOver(id, { host: target, epoch: epoch + 1, ...there }, move, epoch);
  };

  /** Waits for the target to be ready, then copies for as long as it takes. */
  const meet = (
    id: string,
    target: string,
    move: string,
    epoch: number,
    stored: StoredGuest,
    since: number,
  ): void => {
    const there = readyAt(id, target, epoch);
    if (there === undefined) {
      if (host.mono() - since > MEET_LIMIT_MS) fail(id, move);
      else after(MEET_EVERY_MS, () => meet(id, target, move, epoch, stored, since));
      return;
    }
    after(stored.spec.migrateTakesMs, () => {
      const own = stillOurs(id, move, epoch - 1);
      if (own === undefined) return;
      const still = readyAt(id, target, epoch);
      if (still === undefined || still.term !== there.term || cluster.moveFails(id, target)) {
        fail(id, move);
        return;
      }
      stand(own);
      handOver(id, { host: target, epoch, ...there }, move, epoch - 1);
    });
  };

  const readyAt = (id: string, target: string, epoch: number): Life | undefined =>
    cluster.reaches(host.name, target) ? cluster.host(target)?.agent()?.mover.ready(id, epoch) : undefined;

  const handOver = (id: string, to: Placement, move: string, from: number): void => {
    api.call(
      caller,
      2_000,
      ({ guests, hosts }): 'Done' | 'Never' => {
        const stored = guests.get(id)?.value;
        const { placement, target, state } = stored?.record ?? {};
        if (stored === undefined) return 'Never';
        if (placement?.host === to.host && placement.epoch === to.epoch) return 'Done';
        const isOurs =
          placement?.host === host.name && placement.epoch === from && placement.term === life().term;
        if (!isOurs || target !== to.host || (state !== 'Migrating' && state !== 'Relocating'))
          return 'Never';
        // A placement is in a life that the manager has seen: its own writes make no other, and it tells who arrives no other.
        if (!isSameLife(hosts.get(to.host)?.value.life, to)) return 'Never';
        api.putGuest(id, { ...stored, record: { ...stored.record, placement: to } });
        return 'Done';
      },
      (answer) => {
        const own = host.processes.get(id);
        if (own?.state !== 'HandedOver') return;
        if (!answer.ok) after(MEET_EVERY_MS, () => handOver(id, to, move, from));
        else if (answer.value === 'Done') {
          cluster.moveEnded(move, 'Succeeded');
          end(id);
        } else settle(id, move, from);
      },
    );
  };

  /** The hand-over will never come about: it runs on here, unless it has become somebody else's meanwhile. */
  const settle = (id: string, move: string, epoch: number): void =>
    ask(
      id,
      host.processes.get(id)?.uid ?? '',
      epoch,
      // A control plane that was restored since may have forgotten the hand-over: it is no witness that there was none.
      () => (host.processes.get(id)?.askedOf === host.seen ? fail(id, move) : settleLater(id, move, epoch)),
      () => settleLater(id, move, epoch),
    );

  const settleLater = (id: string, move: string, epoch: number): void =>
    after(MEET_EVERY_MS * 4, () =>
      host.processes.get(id)?.state === 'HandedOver' ? settleAgain(id, move, epoch) : undefined,
    );

  const settleAgain = (id: string, move: string, epoch: number): void => {
    api.call(
      caller,
      2_000,
      ({ guests }) => guests.get(id)?.value.record.placement,
      (answer) => {
        const gone = answer.ok && (answer.value === undefined || answer.value.epoch > epoch);
        if (gone) {
          cluster.moveEnded(move, 'Failed');
          end(id);
        } else settle(id, move, epoch);
      },
    );
  };

  return {
    lookAt,
    ready: (guest, epoch) => {
      const place = incoming.get(guest);
      const isReady = place?.epoch === epoch && place.isListed && host.keeper()?.isOpen() === true;
      return isReady && host.processes.get(guest)?.state === 'Incoming' && !host.isPaused()
        ? life()
        : undefined;
    },
  };
}

/** States in which a guest may have a process on the host it is placed on. */
export function mayRun({ record }: StoredGuest): boolean {
  return ['Starting', 'Started', 'Migrating', 'Relocating'].includes(record.state);
}
