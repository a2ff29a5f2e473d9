/** A manager replica of the model: seeks the leader lease, watches all Leases from its own start, and, leading, puts the engine's decisions to the API. */

import { createCopiedLeases } from '../../cluster/ha/copies.ts';
import { decide } from '../../cluster/ha/engine.ts';
import type { Decision, Version, View } from '../../cluster/ha/model.ts';
import { createObserver, type Observer } from '../../cluster/ha/observer.ts';
import { isQuorate } from '../../cluster/ha/proofs.ts';
import { createTurns } from '../../cluster/ha/turns.ts';
import type { Caller, Objects } from './api.ts';
import { createAsking } from './asking.ts';
import { type Calm, createCalm } from './calm.ts';
import type { Cluster } from './cluster.ts';
import { createElection } from './election.ts';
import type { SimHost } from './host.ts';
import { type Claim, claimsOf, hasEnded, heirsOf, unreported } from './restored.ts';
import { besideUntold, wordsOf } from './untold.ts';
import { guestViews, hostViews, policyOf } from './view.ts';

export type SimManager = {
  readonly name: string;
  leads(): boolean;
  isQuorate(): boolean;
  begin(): void;
  stop(): void;
  pause(ms: number): void;
  setApi(state: 'Up' | 'Down' | 'Stale'): void;
};

const AGAIN_MS = 60;
const RARELY_MS = 4_000;

export function createManager(host: SimHost, cluster: Cluster): SimManager {
  const { schedule, api } = cluster;
  let generation = 0;
  let isRunning = false;
  let pausedUntil = 0;
  let apiState: 'Up' | 'Down' | 'Stale' = 'Up';
  let backlog: (() => void)[] = [];
  let observer: Observer = createObserver(() => cluster.timings());
  let leadsUntil = Number.NEGATIVE_INFINITY;
  let since = new Map<string, number>();
  let taken = 0;
  const beginToLook = () => createCalm(cluster, observer, () => taken);
  let calm: Calm = beginToLook();
  let copied = createCopiedLeases();
  const turns = createTurns();
  let stale: Objects | undefined;
  let isLooking = false;
  let quorate = false;

  const now = () => host.mono();
  const deliver = (run: () => void) => {
    const mine = generation;
    host.deliver(() => {
      if (mine !== generation || !isRunning) return;
      if (schedule.now() < pausedUntil) backlog.push(run);
      else run();
    });
  };
  const after = (ms: number, run: () => void) => {
    const mine = generation;
    host.after(ms, () => {
      if (mine === generation) deliver(run);
    });
  };
  const caller: Caller = {
    host: host.name,
    deliver,
    isDown: () => apiState === 'Down',
    crash: () => cluster.managerCrashed(host.name),
  };
  const leads = () => isRunning && now() < leadsUntil;

  const election = createElection({
    ...{ host, cluster, caller, after, now },
    took: (sentAt) => {
      if (!leads()) {
        since = new Map();
        // A leader knows nothing of when it led before.
        stale = undefined;
        copied = createCopiedLeases();
        calm = beginToLook();
        cluster.trace(host.name, 'Leads', 'manager');
      }
      leadsUntil = sentAt + cluster.timings().leaderRenewDeadline;
    },
  });

  const look = (): void => {
    if (isLooking) return;
    isLooking = true;
    const startedAt = now();
    api.call(
      caller,
      2_000,
      (objects) => ({
        leases: [...objects.leases.values()].map(({ value }) => value),
        objects: leads() ? snapshot(objects) : undefined,
      }),
      (answer) => {
        isLooking = false;
        if (!answer.ok) {
          quorate = false;
          return;
        }
        observer.observe(answer.value.leases, { startedAt, endedAt: now() });
        // Watches of a server that was restored begin anew.
        const isOther = stale?.incarnation !== answer.value.objects?.incarnation;
        if ((apiState !== 'Stale' || isOther) && answer.value.objects !== undefined)
          stale = answer.value.objects;
        if (leads() && stale !== undefined) act(stale);
      },
    );
  };
  const lookEvery = (): void => {
    look();
    after(cluster.flaw.manager === 'LooksRarely' ? RARELY_MS : cluster.timings().observation, lookEvery);
  };

  const act = (objects: Objects): void => {
    cluster.noteSilent(observer, now());
    if (objects.restored !== undefined && waitsOrClaims(objects)) return;
    if (claim('Claimed', heirsOf(objects))) return;
    if (calm.isAsBefore(objects, now())) return;
    taken = 0;
    const view = viewOf(objects);
    if (isQuorate(view) && claim('Told', wordsOf(objects, observer))) return;
    const { flaw } = cluster;
    const shown = flaw.sees?.(view) ?? view;
    const decided = decide(shown, {
      ...{ turns, objection: besideUntold(objects, cluster.rules()) },
      ...(flaw.engine === undefined ? {} : { flaw: flaw.engine }),
    });
    asking.giveUp(objects, view.since);
    const decisions = flaw.says?.(decided, view) ?? decided;
    calm.ended(decisions.length);
    quorate = isQuorate(view);
    for (const decision of decisions) {
      if (!leads()) return;
      put(decision, objects);
    }
    if (decisions.length > 0) after(AGAIN_MS, look);
  };

  /** The API was restored from an older copy: until every host has spoken, and each guest is where it is, nothing is decided. */
  const waitsOrClaims = (objects: Objects): boolean => {
    if (cluster.flaw.manager === 'RestoreUnnoticed') return false;
    const silent = unreported(objects);
    const leases = [...objects.leases.values()].map(({ value }) => value);
    const isOfCopy = copied(silent, leases).some(
      (name) => objects.hosts.has(name) && !hasEnded(name, objects),
    );
    return silent.length > 0 || isOfCopy || claim('Claimed', claimsOf(objects));
  };

  const claim = (event: 'Claimed' | 'Told', claims: readonly Claim[]): boolean => {
    for (const { guest, version, next } of claims)
      api.call(
        caller,
        2_000,
        ({ guests }) => {
          if (guests.get(guest)?.version !== version) return;
          cluster.trace(host.name, event, guest, { to: next.record.placement?.host ?? '' });
          api.putGuest(guest, next);
        },
        () => {},
      );
    if (claims.length > 0) after(AGAIN_MS, look);
    return claims.length > 0;
  };

  const viewOf = (objects: Objects): View => ({
    now: now(),
    hosts: hostViews(objects),
    guests: guestViews(objects, cluster),
    groups: cluster.groups(),
    rules: cluster.rules(),
    fences: [...objects.fences.values()].map(({ value }) => value),
    revocations: [...objects.revocations.values()].map(({ value }) => value),
    revocable: cluster.storages.revocable,
    policy: policyOf(objects.policy),
    observer,
    witnesses: cluster.witnesses(),
    since: (what, holds) => {
      if (holds) taken += 1;
      if (!holds) since.delete(what);
      else if (!since.has(what)) since.set(what, now());
      return now() - (since.get(what) ?? now());
    },
  });

  /** Compare-and-swap: what was decided on an older state is refused. */
  const isPresent = (stored: { version: Version } | undefined, decision: { version: Version }): boolean =>
    stored?.version === decision.version || cluster.flaw.manager === 'VersionUnchecked';

  const put = (decision: Decision, objects: Objects): void => {
    switch (decision.type) {
      case 'Host':
        api.call(
          caller,
          2_000,
          ({ hosts }) => {
            if (!isPresent(hosts.get(decision.host), decision)) return;
            cluster.hostDecided(decision);
            api.putHost(decision.host, decision.record);
          },
          () => {},
        );
        return;
      case 'Guest':
        api.call(
          caller,
          2_000,
          ({ guests }) => {
            const stored = guests.get(decision.guest);
            if (stored === undefined || !isPresent(stored, decision)) return;
            cluster.guestDecided(decision, stored, host.name);
            api.putGuest(
              decision.guest,
              cluster.unlocked({ ...stored.value, record: decision.record }, stored.value.record),
            );
          },
          () => {},
        );
        return;
      case 'Fence':
      case 'Revoke':
        asking.ask(decision, objects);
        return;
      default:
        decision satisfies never;
    }
  };

  const asking = createAsking({ cluster, caller, alive: () => observer.alive(now()) });

  return {
    name: host.name,
    leads,
    isQuorate: () => quorate,
    begin: () => {
      generation += 1;
      isRunning = true;
      pausedUntil = 0;
      backlog = [];
      leadsUntil = Number.NEGATIVE_INFINITY;
      election.forget();
      observer = createObserver(() => cluster.timings());
      since = new Map();
      calm = beginToLook();
      isLooking = false;
      deliver(() => {
        election.seek();
        lookEvery();
      });
    },
    stop: () => {
      // In order: the lease is handed over at once.
      if (
        leads() &&
        host.power() === 'Running' &&
        host.network === 'Connected' &&
        api.objects.leader?.value.holder === host.name
      )
        api.objects.leader = {
          version: api.version(),
          value: { holder: '', renewals: (api.objects.leader?.value.renewals ?? 0) + 1 },
        };
      isRunning = false;
      generation += 1;
      leadsUntil = Number.NEGATIVE_INFINITY;
    },
    pause: (ms) => {
      pausedUntil = Math.max(pausedUntil, schedule.now() + ms);
      const mine = generation;
      schedule.after(ms, () => {
        if (mine !== generation || schedule.now() < pausedUntil) return;
        const late = backlog;
        backlog = [];
        for (const run of late) deliver(run);
      });
    },
    setApi: (state) => {
      apiState = state;
    },
  };
}

/** What one read brings: values are never changed in place, so the maps alone are copied. */
function snapshot(objects: Objects): Objects {
  return {
    ...objects,
    hosts: new Map(objects.hosts),
    hostSpecs: new Map(objects.hostSpecs),
    statements: new Map(objects.statements),
    guests: new Map(objects.guests),
    fences: new Map(objects.fences),
    revocations: new Map(objects.revocations),
  };
}
