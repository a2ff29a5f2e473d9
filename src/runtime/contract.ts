/** What a controller declares and what the engine gives it. A controller file reads top to bottom like a page. */
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';
import type { Log } from '../base/log.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Client, Informer, Informers } from '../client/contract.ts';

/** Verbs on a kind that a controller needs beside its own reconciling; RBAC manifests are generated from these. */
export type Access = {
  kind: Pick<KindRef, 'group' | 'plural'>;
  verbs: readonly (
    | 'get'
    | 'list'
    | 'watch'
    | 'create'
    | 'update'
    | 'patch'
    | 'delete'
    | 'bind'
    | 'approve'
    | 'sign'
  )[];
  subresource?: 'status' | 'finalizers' | 'approval';
  /** Limits the rule to this namespace. */
  namespace?: string;
  /** Limits the rule to objects of these names. */
  names?: readonly string[];
};

/** What one pass over one object may use. */
export type Pass<T extends KubeObject> = {
  /** Frozen, from the informer. */
  readonly object: Stored<T>;
  readonly key: string;
  /** Wall clock at the start of the pass, milliseconds. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly client: Client;
  /** Records an Event on the object; repeats within ten minutes are counted, not created again. */
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
};

/**
 * How a pass ended: its outcome, and the whole new status (the committer writes the difference once, or nothing).
 * Without `status` the status stays as it is. Conditions' lastTransitionTime is kept by the committer while the condition's status is
 * unchanged, so a pure status function may put any time there.
 */
export type PassResult<T extends KubeObject> = { outcome: Outcome; status?: T['status'] };

export type Controller<T extends KubeObject> = {
  /** Lower case with dashes; also the event source. */
  name: string;
  kind: KindRef<T>;
  /** The objects this controller sees: an informer of `kind` (possibly filtered). */
  informer: Informer<T>;
  /** Paths it alone writes, such as `status.phase`; two controllers with one path fail at start-up unless `shared` names it. */
  writes: readonly string[];
  /** Paths of `writes` that another controller of this kind declares too, with both naming them here. */
  shared?: readonly string[];
  /** Further access for RBAC. */
  access?: readonly Access[];
  /** False: the object is not reconciled (another role's). Default: all. */
  selects?(object: Stored<T>): boolean;
  /**
   * With a finalizer: it is added before the first pass (`stamp` annotations go into the same write, before any side
   * effect); `remove` runs when deletionTimestamp is set and the finalizer is removed only after it returned `done`.
   */
  finalizer?: string;
  stamp?(object: Stored<T>): Record<string, string>;
  /**
   * Called while the finalizer is being written, when it is not known yet whether it will be taken: what it begins must leave no trace by
   * itself. The pass follows, or `gone` when there is none.
   */
  anticipate?(pass: Pass<T>): void;
  reconcile(pass: Pass<T>): Promise<PassResult<T>>;
  /** Without it (and without a finalizer) `reconcile` also sees objects that are being deleted. */
  remove?(pass: Pass<T>): Promise<PassResult<T>>;
  /** The object has left the informer's selection (deleted, or no longer ours): GET before doing anything. */
  gone?(
    key: string,
    last: Stored<T>,
    context: { client: Client; log: Log; signal: AbortSignal },
  ): Promise<Outcome>;
  /** Other informers whose changes requeue objects of this kind: `map` gives their keys. */
  triggers?: readonly Trigger[];
  /** Objects reconciled at the same time; default 4. One object is never reconciled twice at once. */
  concurrency?: number;
  /** Everything is looked at again after this; default 600 s with jitter. 0: never. */
  resyncMs?: number;
};

/** Made with `trigger(informer, map)` so that the change's type is checked where it is written. */
export type Trigger = {
  /** The kind that is read, for RBAC; absent when the trigger is none of the API's. */
  readonly kind?: KindRef;
  subscribe(enqueue: (key: string) => void): () => void;
};

/** What a controller says about itself without running: RBAC manifests and the check for two writers come from it. */
export type Declaration = {
  name: string;
  kind: KindRef;
  writes: readonly string[];
  shared?: readonly string[];
  access?: readonly Access[];
  finalizer?: string;
  triggers?: readonly Pick<Trigger, 'kind'>[];
};

/** The engine of one role. */
export type Manager = {
  /** Throws when another controller of the same kind declares a path that this one writes. */
  add<T extends KubeObject>(controller: Controller<T>): void;
  /** What the controllers added so far declare. */
  declarations(): readonly Declaration[];
  /** Requeues one key of a controller from outside (a QMP event, a process exit). */
  enqueue(controller: string, key: string): void;
  /** Starts informers, waits for them, runs until the signal; resolves when all passes under way have ended. */
  run(signal: AbortSignal): Promise<void>;
  readonly informers: Informers;
  readonly client: Client;
};
