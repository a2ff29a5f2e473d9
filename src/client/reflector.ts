/**
 * Keeps a local copy equal to the server: list, then watch from there, for ever. No error ends it; each failure in a row
 * makes the next attempt later, and nothing is listed again that a watch can still replay.
 */
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';
import { backoffDelay } from '../base/backoff.ts';
import type { World } from '../base/world.ts';
import type { Client, InformerOptions, ListOptions } from './contract.ts';
import { ApiError } from './contract.ts';
import type { Sink } from './informer.ts';

const PAGE_SIZE = 500;
const BACKOFF = { baseMs: 100, maxMs: 10_000 };

/** A watch that lived this long was a good one, even on a kind where nothing happens. */
const GOOD_WATCH_MS = 10_000;

/** After so many failures in a row the server may be another one, restored from a backup: ask it for everything. */
const FAILURES_BEFORE_LIST = 5;

export type ReflectorOptions<T extends KubeObject> = {
  client: Client;
  kind: KindRef<T>;
  selection: InformerOptions<T>;
  sink: Sink<T>;
  world: Pick<World, 'clock' | 'random' | 'log'>;
};

function selectionOf<T extends KubeObject>({
  namespace,
  labelSelector,
  fieldSelector,
}: InformerOptions<T>): ListOptions {
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

/** The version is unknown to the server: too old (410), from a future that a restore took back, or nonsense (400). */
function isForgotten(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  if (error.code === 410 || error.code === 400) return true;
  return error.causes.some(({ reason }) => reason === 'ResourceVersionTooLarge');
}

async function listAll<T extends KubeObject>(
  { client, kind, selection }: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<{ items: Stored<T>[]; resourceVersion: string }> {
  const base = { ...selectionOf(selection), signal };
  let page = await client.list(kind, { ...base, limit: PAGE_SIZE });
  const items = page.items;
  while (page.continue !== undefined) {
    try {
      page = await client.list(kind, { ...base, limit: PAGE_SIZE, continue: page.continue });
    } catch (error) {
      // The snapshot of the first page expired while we were paging: one page with everything cannot.
      if (isForgotten(error)) return client.list(kind, base);
      throw error;
    }
    items.push(...page.items);
  }
  return { items, resourceVersion: page.resourceVersion };
}

/** Follows one watch to its end; `seen` hears each version. */
async function follow<T extends KubeObject>(
  options: ReflectorOptions<T>,
  resourceVersion: string,
  signal: AbortSignal,
  seen: (resourceVersion: string) => void,
): Promise<void> {
  const { client, kind, selection, sink } = options;
  const how = { ...selectionOf(selection), resourceVersion, bookmarks: true, signal };
  for await (const event of client.watch(kind, how)) {
    if (signal.aborted) return;
    if (event.type === 'BOOKMARK') {
      seen(event.resourceVersion);
      continue;
    }
    const version = event.object.metadata.resourceVersion;
    if (event.type === 'DELETED') sink.remove(event.object);
    else sink.upsert(event.object);
    seen(version);
  }
}

/** Runs until the signal is aborted; never rejects. */
export async function reflect<T extends KubeObject>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<void> {
  const { kind, sink, world } = options;
  const log = world.log.child({ kind: kind.kind });
  let version: string | undefined;
  let failures = 0;
  let wasGood = false;

  const pass = async (): Promise<void> => {
    wasGood = false;
    if (version === undefined) {
      const all = await listAll(options, signal);
      sink.replace(all.items);
      version = all.resourceVersion;
    }
    const started = world.clock.monotonic();
    try {
      await follow(options, version, signal, (seen) => {
        version = seen;
        wasGood = true;
      });
    } finally {
      if (world.clock.monotonic() - started >= GOOD_WATCH_MS) wasGood = true;
    }
  };

  const rest = async (error: unknown): Promise<void> => {
    const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    const delay = backoffDelay(failures - 1, BACKOFF, world.random);
    await world.clock.sleep(Math.max(delay, asked), signal).catch(() => {});
  };

  while (!signal.aborted) {
    const problem = await pass().then(
      () => undefined,
      (error: unknown) => error ?? new Error('unknown'),
    );
    if (wasGood) failures = 0;
    if (signal.aborted || (wasGood && problem === undefined)) continue;
    failures += 1;
    if (isForgotten(problem) || failures % FAILURES_BEFORE_LIST === 0) version = undefined;
    if (problem !== undefined)
      log.warn('watching failed, trying again', { failures, error: String(problem) });
    await rest(problem);
  }
}
