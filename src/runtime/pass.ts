/**
 * The life of one controller's keys: from a change to a pass, from its outcome back to the queue. All the order that keeps
 * objects safe is here: removal of the old before the new, finalizer before the first side effect, one write at the end.
 */
import type { KubeObject, Stored } from '../api/meta.ts';
import type { Outcome } from '../base/outcome.ts';
import { outcomeOf } from '../base/outcome.ts';
import type { World } from '../base/world.ts';
import type { Client, InformerChange } from '../client/contract.ts';
import { ApiError } from '../client/contract.ts';
import type { Commit } from './committer.ts';
import { attemptWrite, commitStatus } from './committer.ts';
import type { Controller, Pass, PassResult } from './contract.ts';
import { dispositionOf } from './disposition.ts';
import type { EventRecorder } from './events.ts';
import { createExpectations, EXPECTATION_LIMIT_MS } from './expectations.ts';
import { claimPatch, releasePatch } from './finalizers.ts';
import { createLeftovers } from './leftovers.ts';
import type { Disposition } from './queue.ts';

const DEFAULT_RESYNC_MS = 600_000;

export type PassContext = {
  client: Client;
  world: Pick<World, 'clock' | 'random' | 'log'>;
  events: EventRecorder;
  /** Aborted when passes under way must end. */
  signal: AbortSignal;
  /** Puts a key into the controller's queue. */
  enqueue(key: string): void;
};

export type Reconciler<T extends KubeObject> = {
  /** Hears of each change in the controller's informer. */
  changed(change: InformerChange<T>): void;
  /** One pass over one key. Never rejects. */
  work(key: string): Promise<Disposition>;
};

/** Thrown to end a pass whose ground is gone; the queue gets its disposition. */
class PassOver extends Error {
  readonly disposition: Disposition;
  constructor(disposition: Disposition) {
    super('the pass is over');
    this.disposition = disposition;
  }
}

/** The reconciler of one controller. */
export function createReconciler<T extends KubeObject>(
  controller: Controller<T>,
  { client, world, events, signal, enqueue }: PassContext,
): Reconciler<T> {
  const { informer, kind, finalizer } = controller;
  const { clock, random } = world;
  const resyncMs = controller.resyncMs ?? DEFAULT_RESYNC_MS;
  const log = world.log.child({ controller: controller.name });
  const expectations = createExpectations(clock.monotonic);
  const leftovers = createLeftovers<T>();
  const heldBack = new Set<string>();
  const underWay = new Map<string, Stored<T>[]>();

  const selects = (object: Stored<T>): boolean => controller.selects?.(object) ?? true;

  /** The first sight of an object is always a pass: what its selection looks at may not be read yet. */
  const concerns = (key: string, before: Stored<T> | undefined, after: Stored<T>): boolean =>
    before === undefined ||
    selects(after) ||
    selects(before) ||
    heldBack.has(key) ||
    leftovers.of(key).length > 0;

  const changed = ({ key, before, after }: InformerChange<T>): void => {
    if (after === undefined) {
      expectations.forget(key);
      heldBack.delete(key);
      if (before !== undefined && controller.gone !== undefined && selects(before))
        leftovers.add(key, before);
      enqueue(key);
      return;
    }
    leftovers.returned(key, after);
    const seen = underWay.get(key);
    // A watch is often faster than the answer to our own write: whose change this is, is known when the pass ends.
    if (seen !== undefined) seen.push(after);
    else if (expectations.isOwnEcho(key, after) ? heldBack.has(key) : concerns(key, before, after))
      enqueue(key);
  };

  /** Takes in a write's result: what we wrote counts for us from now on, what was refused sends us back to read. */
  const take = (key: string, object: Stored<T>, commit: Commit<T>): Stored<T> => {
    switch (commit.type) {
      case 'unchanged':
        return object;
      case 'written':
        expectations.wrote(key, commit.object);
        return commit.object;
      case 'conflict':
        expectations.refused(key, object);
        throw new PassOver({ type: 'again' });
      case 'gone':
        throw new PassOver({ type: 'forget' });
      default:
        return commit satisfies never;
    }
  };

  const passOver = (key: string, object: Stored<T>): Pass<T> => ({
    object,
    key,
    now: clock.now(),
    signal,
    get log() {
      return log.child({ key });
    },
    client,
    event: (type, reason, message) => events.record(kind, object, type, reason, message),
  });

  const commit = async (key: string, object: Stored<T>, result: PassResult<T>): Promise<Outcome> => {
    if (!('status' in result) || result.status === undefined) return result.outcome;
    take(key, object, await commitStatus(client, controller, object, result.status, signal));
    return result.outcome;
  };

  /** Ends what was done for the object, then lets it go; the finalizer is removed only after `done`. */
  const remove = async (key: string, object: Stored<T>): Promise<Outcome> => {
    const release = finalizer === undefined ? undefined : releasePatch(object, finalizer);
    if (finalizer !== undefined && release === undefined) return { type: 'done' };
    const result = await (controller.remove ?? controller.reconcile)(passOver(key, object));
    if (result.outcome.type !== 'done' || release === undefined) return commit(key, object, result);
    take(
      key,
      object,
      await attemptWrite(() => client.mergePatch(kind, object.metadata, release, { signal })),
    );
    return result.outcome;
  };

  const claimed = async (
    key: string,
    seen: Stored<T>,
    claim: NonNullable<ReturnType<typeof claimPatch>>,
  ): Promise<Stored<T>> => {
    const written = attemptWrite(() => client.mergePatch(kind, seen.metadata, claim, { signal }));
    controller.anticipate?.(passOver(key, seen));
    return take(key, seen, await written);
  };

  const reconcile = async (key: string, seen: Stored<T>): Promise<Outcome> => {
    const claim = claimPatch(seen, finalizer, controller.stamp?.(seen) ?? {});
    const object = claim === undefined ? seen : await claimed(key, seen, claim);
    return commit(key, object, await controller.reconcile(passOver(key, object)));
  };

  /** What left the selection goes first: its name may belong to another object by now. */
  const clearLeftovers = async (key: string): Promise<Outcome> => {
    for (const last of leftovers.of(key)) {
      const outcome = await controller.gone?.(key, last, { client, log: log.child({ key }), signal });
      if (outcome !== undefined && outcome.type !== 'done') return outcome;
      leftovers.settled(key, last);
    }
    return { type: 'done' };
  };

  const attempt = async (key: string): Promise<Disposition> => {
    const cleared = await clearLeftovers(key);
    if (cleared.type !== 'done') return conclude(key, cleared);
    const object = informer.get(key);
    if (object === undefined || !selects(object)) return { type: 'forget' };
    if (!expectations.met(key, object)) {
      heldBack.add(key);
      return { type: 'after', delayMs: EXPECTATION_LIMIT_MS };
    }
    heldBack.delete(key);
    const isDeleted = object.metadata.deletionTimestamp !== undefined;
    return conclude(key, isDeleted ? await remove(key, object) : await reconcile(key, object));
  };

  const conclude = (key: string, outcome: Outcome): Disposition => {
    if (outcome.type === 'failed')
      log.warn('a pass failed', { key, reason: outcome.reason, message: outcome.message });
    return dispositionOf(outcome, resyncMs, random);
  };

  const recover = (key: string, error: unknown): Disposition => {
    if (error instanceof PassOver) return error.disposition;
    if (signal.aborted) return { type: 'forget' };
    // Lost a race on some other object: nothing is wrong, the next pass reads again.
    if (error instanceof ApiError && error.reason === 'Conflict') return { type: 'retry' };
    if (!(error instanceof ApiError)) log.debug('a pass threw', { key, error });
    return conclude(key, outcomeOf(error));
  };

  return {
    changed,
    work: async (key) => {
      const seen: Stored<T>[] = [];
      underWay.set(key, seen);
      try {
        return await attempt(key).catch((error: unknown) => recover(key, error));
      } finally {
        underWay.delete(key);
        const news = seen.filter((object) => !expectations.isOwnEcho(key, object));
        if (news.length > 0 || (seen.length > 0 && heldBack.has(key))) enqueue(key);
      }
    },
  };
}
