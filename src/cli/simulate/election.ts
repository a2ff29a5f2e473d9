/**
 * Who leads in the model, as the real election (src/runtime/election.ts): a write compares with what was read, so that a leader whose answers are lost
 * renews once at most without knowing; whether another's lease has run out is judged by one's own clock.
 */
import { isSameLife } from '../../cluster/ha/model.ts';
import type { Caller, Leader, Versioned } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { SimHost } from './host.ts';

export type Election = {
  /** Seeks the lease, or renews it, and goes on doing so. */
  seek(): void;
  /** Nothing has been seen yet. */
  forget(): void;
};

export type ElectionOptions = {
  host: SimHost;
  cluster: Cluster;
  caller: Caller;
  after(ms: number, run: () => void): void;
  now(): number;
  /** The lease is this manager's, by a write that was sent then. */
  took(sentAt: number): void;
};

const SEEK_EVERY_MS = 1_000;

export function createElection({ host, cluster, caller, after, now, took }: ElectionOptions): Election {
  const { api } = cluster;
  let seen: { lease: Versioned<Leader> | undefined; at: number } | undefined;

  const observe = (lease: Versioned<Leader> | undefined): void => {
    if (seen !== undefined && seen.lease?.version === lease?.version) return;
    seen = { lease, at: now() };
  };

  const isFree = (): boolean => {
    const { holder = '' } = seen?.lease?.value ?? {};
    if (holder === '' || holder === host.name) return true;
    return seen !== undefined && now() - seen.at >= cluster.timings().leaderLease;
  };

  const seek = (): void => {
    if (seen?.lease?.value.holder === host.name) take();
    else
      api.call(
        caller,
        SEEK_EVERY_MS,
        ({ leader }) => leader,
        (answer) => {
          if (!answer.ok) return;
          observe(answer.value);
          if (isFree()) take();
        },
      );
    after(SEEK_EVERY_MS, seek);
  };

  const take = (): void => {
    const sentAt = now();
    const known = seen?.lease;
    api.call(
      caller,
      SEEK_EVERY_MS,
      (objects) => {
        if (objects.leader?.version !== known?.version) return undefined;
        // A host whose end is being proven does not lead: its manager would judge itself.
        const { incident } = objects.hosts.get(host.name)?.value ?? {};
        if (isSameLife(incident, host.keeper()?.life())) return undefined;
        const value = { holder: host.name, renewals: (known?.value.renewals ?? 0) + 1 };
        objects.leader = { version: api.version(), value };
        return objects.leader;
      },
      (answer) => {
        if (!answer.ok) return;
        if (answer.value !== undefined) {
          observe(answer.value);
          took(sentAt);
        } else if (known?.value.holder === host.name) seen = undefined;
      },
    );
  };

  return {
    seek,
    forget: () => {
      seen = undefined;
    },
  };
}
