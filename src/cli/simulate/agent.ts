/** The agent of a simulated host: starts, stops and moves guests by the manager's word, behind the same gate as the real one, and says what runs. */
import {
  type GuestReport,
  guardKey,
  isSameLife,
  type Placement,
  type Shutdown,
} from '../../cluster/ha/model.ts';
import type { Caller, StoredGuest } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { Process, SimHost } from './host.ts';
import { createJobs } from './jobs.ts';
import { createMover, type Mover, mayRun } from './mover.ts';
import { guestOf, mayBeElsewhere, recordsOf } from './restored.ts';
import { createStarts, LOOK_AGAIN_MS } from './starts.ts';
import { createStatement } from './statement.ts';

export type Agent = {
  /** Looks at everything that may be its business. */
  sync(): void;
  lifeChanged(): void;
  shutDown(kind: 'Reboot' | 'PowerOff'): void;
  /** Counts failed starts of this host, per epoch. */
  readonly memory: AgentMemory;
  /** What is ready to receive a guest that moves here. */
  readonly mover: Mover;
  setReport(guest: string, change: Partial<GuestReport>): void;
  /** Its process has ended by itself: nothing to do if it is started again already. `key`: what the Lease listed it as. */
  noticeEnd(guest: string, key: string): void;
  /** A job works on the volumes of a guest of this host that is off, for so long. */
  work(guest: string, ms: number): void;
};

/** What outlives a restart of the agent: its records on disk. */
export type AgentMemory = {
  reports: Map<string, GuestReport>;
  failuresLeft: Map<string, number>;
  shutdown: Shutdown | undefined;
};

const STOP_TAKES_MS = 2_000;
const STOP_LIMIT_MS = 60_000;
const LEAVE_LIMIT_MS = 300_000;

export function createAgent(host: SimHost, cluster: Cluster, former: Agent | undefined): Agent {
  const { api } = cluster;
  const memory: AgentMemory = former?.memory ?? {
    reports: new Map(),
    failuresLeft: new Map(),
    shutdown: undefined,
  };
  const isCurrent = (): boolean => host.agent() === agent;
  const deliver = (run: () => void) => host.deliver(() => (isCurrent() ? run() : undefined));
  const caller: Caller = { host: host.name, deliver, crash: () => host.restartAgent() };
  const after = (ms: number, run: () => void) => host.after(ms, () => (isCurrent() ? run() : undefined));
  const stopping = new Map<string, { since: number; hangs: boolean }>();
  let cache: ReadonlyMap<string, StoredGuest> = new Map();

  const life = () => host.keeper()?.life() ?? { bootID: host.bootID(), term: 0 };
  const process = (guest: string): Process | undefined => host.processes.get(guest);

  const setReport = (guest: string, change: Partial<GuestReport>): void => {
    const known = memory.reports.get(guest) ?? { epoch: 0, state: 'Off', failures: 0 };
    memory.reports.set(guest, { ...known, ...change });
    statement.changed();
  };

  const statement = createStatement({ host, api, caller, after, life, memory });

  const isHere = (placement: Placement | undefined): boolean =>
    placement?.host === host.name && isSameLife(placement, life());

  /** A consistent read, then `then` if the guest may still run here under this epoch. */
  const ask = (guest: string, uid: string, epoch: number, then: () => void, otherwise: () => void): void => {
    if (cluster.flaw.agent === 'EpochUnchecked') {
      then();
      return;
    }
    api.call(
      caller,
      2_000,
      (objects) => ({
        stored: objects.guests.get(guest)?.value,
        isElsewhere: mayBeElsewhere(host, { guest, uid, epoch }, objects),
      }),
      (answer) => {
        const { stored, isElsewhere } = answer.ok ? answer.value : { stored: undefined, isElsewhere: true };
        const placement = stored?.record.placement;
        const isMeant = stored?.uid === uid && isHere(placement) && placement?.epoch === epoch;
        const isNew = epoch >= (host.epochs.get(uid) ?? 0) && epoch > (host.left.get(uid) ?? 0);
        if (isMeant && mayRun(stored) && isNew && !isElsewhere) then();
        else otherwise();
      },
    );
  };

  const stop = (id: string, hangs: boolean): void => {
    starts.forget(id);
    const own = process(id);
    // What has not executed yet has nothing that could hang.
    if (own === undefined || own.state === 'Preparing' || own.state === 'Incoming') {
      end(id);
      return;
    }
    const known = stopping.get(id);
    // One that hung goes on when the API, restored from an older copy, knows nothing of it any more.
    if (known === undefined || (known.hangs && !hangs)) {
      stopping.set(id, { since: known?.since ?? host.mono(), hangs });
      if (!hangs) after(STOP_TAKES_MS, () => (stopping.has(id) ? end(id) : undefined));
    } else if (
      hangs &&
      host.mono() - known.since > STOP_LIMIT_MS &&
      memory.reports.get(id)?.stopFailed !== true
    )
      setReport(id, { stopFailed: true });
  };

  /** Gone: its epoch stays on disk, the Lease need not list it any more. */
  const end = (id: string): void => {
    const own = process(id);
    stopping.delete(id);
    host.processes.delete(id);
    if (own !== undefined) host.keeper()?.release(guardKey(own.uid, own.epoch));
    setReport(id, { state: 'Off' });
  };

  const lookAt = (id: string, stored: StoredGuest | undefined): void => {
    const found = process(id);
    const placement = stored?.record.placement;
    if (stored === undefined) {
      // Its start ends by itself, and until then it is said to be here.
      if (found?.state === 'Preparing' && starts.isUnderWay(id)) return;
      if (found !== undefined) end(id);
      memory.reports.delete(id);
      for (const uid of recordsOf(id, host)) host.epochs.delete(uid);
      return;
    }
    // Left over from another object of this name: nobody's any more.
    if (found !== undefined && found.uid !== stored.uid) end(id);
    for (const uid of recordsOf(id, host)) if (uid !== stored.uid) host.orphans.add(uid);
    const own = process(id);
    // The API was restored from an older copy: what it says of this guest is over.
    if (own !== undefined && own.epoch > (placement?.epoch ?? 0) && own.state !== 'Incoming') return;
    if (own?.state === 'Job') {
      if (!jobs.isOwn(id)) end(id);
      return;
    }
    const { state } = stored.record;
    if (state === 'Ignored') {
      if (own !== undefined) host.keeper()?.release(guardKey(own.uid, own.epoch));
      return;
    }
    mover.lookAt(id, stored);
    if (placement?.host !== host.name) {
      if (own?.state === 'Running' && (placement?.epoch ?? 0) > own.epoch) end(id);
      const last = memory.reports.get(id)?.epoch ?? 0;
      if (
        process(id) === undefined &&
        (placement?.epoch ?? 0) > last &&
        last > (host.left.get(stored.uid) ?? 0)
      ) {
        host.left.set(stored.uid, last);
        host.epochs.delete(stored.uid);
      }
      return;
    }
    // What an agent before this one had begun is begun anew, or not at all (startGuest in src/drivers/hypervisor/qemu/start.ts).
    if (own?.state === 'Preparing' && !starts.isUnderWay(id)) end(id);
    if (!isSameLife(placement, life())) return;
    if (own !== undefined && own.state === 'Running') adoptEpoch(id, own, stored);
    if (state === 'Stopping' || (own !== undefined && state === 'Stopped')) {
      stop(id, stored.spec.stopHangs);
      sayOff(id, placement.epoch);
      return;
    }
    if (state === 'Starting' && process(id) === undefined) starts.start(id, stored);
    // Also of one that is to leave: it may have been deleted since, by what the API knew before it was restored.
    if (state === 'Started' || state === 'Migrating' || state === 'Relocating') sayOff(id, placement.epoch);
  };

  /** Nothing of it is here under this epoch: what was begun under an earlier one, or for an earlier object of this name, is over. */
  const sayOff = (id: string, epoch: number): void => {
    const said = memory.reports.get(id)?.epoch ?? 0;
    if (process(id) === undefined && !starts.isUnderWay(id) && said < epoch)
      setReport(id, { epoch, state: 'Off', failures: 0 });
  };

  /** A process found again, or one that came back from Ignored, is guarded under the epoch it has; one that was claimed gets a new one first. */
  const adoptEpoch = (id: string, own: Process, { uid, record }: StoredGuest): void => {
    const key = guardKey(uid, own.epoch);
    const { epoch = 0 } = record.placement ?? {};
    if (epoch > own.epoch)
      host.keeper()?.guard(guardKey(uid, epoch), () =>
        deliver(() => {
          if (process(id) !== own || own.epoch >= epoch) return;
          own.epoch = epoch;
          host.epochs.set(uid, Math.max(epoch, host.epochs.get(uid) ?? 0));
          host.keeper()?.release(key);
          setReport(id, { epoch, state: 'Running' });
        }),
      );
    else if (host.keeper()?.isGuarded(key) === false && record.state !== 'Ignored')
      host.keeper()?.guard(key, () => {});
    if (memory.reports.get(id)?.state !== 'Running') setReport(id, { epoch: own.epoch, state: 'Running' });
  };

  const refresh = (then: () => void): void => {
    api.call(
      caller,
      2_000,
      ({ guests, incarnation, restored = 0 }) => ({ guests, incarnation, restored }),
      (answer) => {
        if (!answer.ok) return;
        const { guests, incarnation, restored } = answer.value;
        if (restored > host.seen) host.left.clear();
        cache = new Map([...guests].map(([id, { value }]) => [id, value]));
        if (incarnation > host.seen) {
          host.seen = incarnation;
          statement.changed();
        }
        then();
      },
    );
  };

  /** Its records lie on disk: what they say is said again after a boot. Who has left, it remembers as long as it runs. */
  const readRecords = (): void => {
    host.left.clear();
    for (const [uid, epoch] of host.epochs)
      if (!memory.reports.has(guestOf(uid)))
        memory.reports.set(guestOf(uid), { epoch, state: 'Off', failures: 0 });
    for (const [id, report] of memory.reports)
      if (report.state === 'Preparing' && process(id) === undefined)
        memory.reports.set(id, { ...report, state: 'Off' });
  };

  const lookAtAll = (): void => {
    for (const [id, stored] of cache) {
      const { placement, target } = stored.record;
      if (
        placement?.host === host.name ||
        target === host.name ||
        host.processes.has(id) ||
        memory.reports.has(id)
      )
        lookAt(id, stored);
    }
    for (const id of [...host.processes.keys(), ...memory.reports.keys()])
      if (!cache.has(id)) lookAt(id, undefined);
    if (memory.shutdown !== undefined) leave(memory.shutdown);
    statement.say();
  };

  /** An announced end: guests leave first where that is the policy, the rest is stopped, and that is stated before the power goes. */
  const leave = (shutdown: Shutdown): void => {
    if (shutdown.stopped === true || !isSameLife(shutdown, life())) return;
    const mine = [...cache].flatMap(([id, { record }]) => {
      const isHere = record.placement?.host === host.name && process(id)?.state === 'Running';
      return isHere && ['Started', 'Migrating', 'Relocating'].includes(record.state) ? [record] : [];
    });
    const isMigrating =
      cluster.shutdownPolicy(host.name) === 'Migrate' && host.mono() - leavingSince < LEAVE_LIMIT_MS;
    if (isMigrating && mine.some(({ reason }) => reason?.startsWith('CannotLeave') !== true)) return;
    for (const id of [...host.processes.keys()]) stop(id, stopping.get(id)?.hangs === true);
    starts.forgetAll();
    if (host.processes.size > 0) return;
    memory.shutdown = { ...shutdown, stopped: true };
    statement.changed();
    const finishUp = () => {
      if (statement.isPending()) after(200, finishUp);
      else cluster.orderlyEnd(host, shutdown.kind);
    };
    after(200, finishUp);
  };
  let leavingSince = 0;

  const tick = (): void => {
    refresh(lookAtAll);
    cluster.storages.lift(host);
    after(LOOK_AGAIN_MS, tick);
  };

  const starts = createStarts({
    host,
    cluster,
    memory,
    after,
    deliver,
    setReport,
    ask,
    sync: () => agent.sync(),
    isSaid: () => !statement.isPending(),
  });
  const jobs = createJobs({ host, cluster, caller, after, deliver, isHere, starts, setReport, end });
  const mover = createMover({ host, cluster, caller, after, life, setReport, memory, end, ask });
  const agent: Agent = {
    memory,
    mover,
    setReport,
    noticeEnd: (id, key) => {
      if (starts.isUnderWay(id) || host.processes.has(id)) return;
      host.keeper()?.release(key);
      setReport(id, { state: 'Off' });
    },
    work: (id, ms) => jobs.work(id, cache.get(id), ms),
    sync: () => deliver(() => refresh(lookAtAll)),
    lifeChanged: () => {
      starts.forgetAll();
      stopping.clear();
      if (memory.shutdown !== undefined) memory.shutdown = { kind: memory.shutdown.kind, ...life() };
      for (const [id, { epoch }] of [...memory.reports]) {
        const own = process(id);
        const state = own?.state === 'Running' ? 'Running' : 'Off';
        memory.reports.set(id, { epoch: own?.epoch ?? epoch, state, failures: 0 });
      }
      statement.changed();
    },
    shutDown: (kind) => {
      memory.shutdown = { ...life(), kind };
      leavingSince = host.mono();
      statement.changed();
      agent.sync();
    },
  };
  readRecords();
  cluster.invariants.agentBegan(host.name);
  host.after(0, tick);
  return agent;
}
