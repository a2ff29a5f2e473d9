/** What a manager of the model asks the agents of other hosts to do to one that may be lost: named, so that it is asked for once, and given up in time. */
import type { Decision, Since } from '../../cluster/ha/model.ts';
import type { Caller, Objects, Versioned } from './api.ts';
import type { Cluster } from './cluster.ts';

export type Asking = {
  ask(decision: Extract<Decision, { type: 'Fence' | 'Revoke' }>, objects: Objects): void;
  /** Who was to do it has not come back: the next one goes on. A late executor looks at the incident first. */
  giveUp(objects: Objects, since: Since): void;
};

export type AskingOptions = {
  cluster: Cluster;
  caller: Caller;
  /** Hosts that this manager hears. */
  alive(): ReadonlySet<string>;
};

const LIMIT_MS = 8_000;

export function createAsking({ cluster, caller, alive }: AskingOptions): Asking {
  const { api } = cluster;
  const call = (deed: (objects: Objects) => void): void => api.call(caller, 2_000, deed, () => {});

  /** `turn`: another one for the next try. */
  const executorFor = (target: string, { hosts }: Objects, turn: number): string | undefined => {
    const heard = alive();
    const able = [...hosts.keys()].filter((name) => name !== target && heard.has(name));
    return able[turn % Math.max(1, able.length)];
  };

  return {
    ask: (decision, objects) => {
      if (decision.type === 'Fence') {
        const { fence, devices, life } = decision;
        const executor = executorFor(fence.host, objects, 0);
        if (executor === undefined) return;
        call(({ fences }) => {
          if (fences.has(fence.id)) return;
          fences.set(fence.id, { version: api.version(), value: { ...fence, executor, devices, life } });
          cluster.fenceAsked(fence.id);
        });
        return;
      }
      const { revocation, life } = decision;
      const turn = Number(/-(\d+)$/.exec(revocation.id)?.[1] ?? 0);
      const executor = executorFor(revocation.host, objects, turn);
      if (executor === undefined) return;
      call(({ revocations }) => {
        if (revocations.has(revocation.id)) return;
        revocations.set(revocation.id, { version: api.version(), value: { ...revocation, executor, life } });
        cluster.storages.execute(revocation.id);
      });
    },
    giveUp: (objects, since) => {
      for (const [kind, asked] of asksOf(objects).entries())
        for (const { value, version } of asked.values()) {
          const waited = since(`asked/${value.id}`, value.result === undefined);
          if (value.result !== undefined || waited <= LIMIT_MS) continue;
          call((stored) => {
            const present = asksOf(stored)[kind];
            if (present?.get(value.id)?.version === version)
              present.set(value.id, { version: api.version(), value: { ...value, result: 'Failed' } });
          });
        }
    },
  };
}

/** All that is asked of agents, whatever it is. */
function asksOf({ fences, revocations }: Objects): Map<string, Versioned<{ id: string; result?: string }>>[] {
  return [fences, revocations];
}
