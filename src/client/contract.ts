/** What controllers and commands may ask of a Kubernetes API server, embedded or real: requests, watches, informers. */
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';

/** A metav1.Status that came back instead of the answer. `code` 0: no answer at all (network). */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly causes: readonly { field?: string; reason?: string; message?: string }[];
  readonly retryAfterMs: number | undefined;

  constructor(
    code: number,
    reason: string,
    message: string,
    options: {
      causes?: readonly { field?: string; reason?: string; message?: string }[];
      retryAfterMs?: number;
    } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.reason = reason;
    this.causes = options.causes ?? [];
    this.retryAfterMs = options.retryAfterMs;
  }
}

export type ObjectRef = { name: string; namespace?: string };
export type RequestOptions = { signal?: AbortSignal; timeoutMs?: number };
export type ListOptions = RequestOptions & {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
};
/** `approval` is that of CertificateSigningRequests. */
export type WriteOptions = RequestOptions & { subresource?: 'status' | 'approval'; dryRun?: boolean };

export type WatchEvent<T extends KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: Stored<T> }
  | { type: 'BOOKMARK'; resourceVersion: string };

/** Every method rejects with ApiError. One constant field manager per client. */
export type Client = {
  get<T extends KubeObject>(kind: KindRef<T>, ref: ObjectRef, options?: RequestOptions): Promise<Stored<T>>;
  /** get, with undefined for 404. */
  find<T extends KubeObject>(
    kind: KindRef<T>,
    ref: ObjectRef,
    options?: RequestOptions,
  ): Promise<Stored<T> | undefined>;
  list<T extends KubeObject>(
    kind: KindRef<T>,
    options?: ListOptions,
  ): Promise<{ items: Stored<T>[]; resourceVersion: string; continue?: string }>;
  create<T extends KubeObject>(kind: KindRef<T>, object: T, options?: WriteOptions): Promise<Stored<T>>;
  update<T extends KubeObject>(
    kind: KindRef<T>,
    object: Stored<T>,
    options?: WriteOptions,
  ): Promise<Stored<T>>;
  /** RFC 7386. Carry metadata.resourceVersion in the patch for optimistic concurrency (409 Conflict otherwise lost). */
  mergePatch<T extends KubeObject>(
    kind: KindRef<T>,
    ref: ObjectRef,
    patch: unknown,
    options?: WriteOptions,
  ): Promise<Stored<T>>;
  /** Server-side apply under the client's field manager. */
  apply<T extends KubeObject>(
    kind: KindRef<T>,
    object: T,
    options?: WriteOptions & { force?: boolean },
  ): Promise<Stored<T>>;
  delete(
    kind: KindRef,
    ref: ObjectRef,
    options?: RequestOptions & { uid?: string; resourceVersion?: string; propagationPolicy?: string },
  ): Promise<void>;
  /**
   * One watch connection; ends when the server ends it, throws ApiError (410 Expired when too old).
   * Never hangs for ever: silence beyond the inactivity limit ends it with an error.
   */
  watch<T extends KubeObject>(
    kind: KindRef<T>,
    options: ListOptions & { resourceVersion: string; bookmarks?: boolean },
  ): AsyncIterable<WatchEvent<T>>;
  /** GET of any path of the server, for /version, /readyz and the like; the body as text. */
  raw(path: string, options?: RequestOptions & { accept?: string }): Promise<{ code: number; body: string }>;
  close(): Promise<void>;
};

export type InformerChange<T extends KubeObject> = { key: string; before?: Stored<T>; after?: Stored<T> };

/**
 * A local, read-only copy of a kind that never stops on errors. Objects are deeply frozen. `after` undefined in a change
 * means "no longer in this selection": for a filtered informer that is not "deleted".
 */
export type Informer<T extends KubeObject> = {
  readonly kind: KindRef<T>;
  get(key: string): Stored<T> | undefined;
  list(): Stored<T>[];
  /** Objects whose named index (given at construction) yields `value`. */
  byIndex(index: string, value: string): Stored<T>[];
  /** Called for each change in order, and once for each object present at registration. Returns the end of it. */
  onChange(handler: (change: InformerChange<T>) => void): () => void;
  /** True after the first complete list. */
  hasSynced(): boolean;
  /** Resolves after the first complete list. */
  synced(signal?: AbortSignal): Promise<void>;
};

export type InformerOptions<T extends KubeObject> = {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  indexes?: { readonly [name: string]: (object: Stored<T>) => readonly string[] };
};

/** Shares one informer per (kind, selection) in a process. */
export type Informers = {
  informer<T extends KubeObject>(kind: KindRef<T>, options?: InformerOptions<T>): Informer<T>;
  /** Starts all informers made so far and later; ends with the signal. A second call changes nothing. */
  start(signal: AbortSignal): void;
  /** Resolves when all informers made so far have synced. */
  synced(signal?: AbortSignal): Promise<void>;
};
