/** The watch verb: what there is, then what comes, with bookmarks, until the client, the time or the server ends it. */
import { CompactedError } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import { createPace } from '../fairness/pace.ts';
import { decode, wireForm } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { among, readList, revisionOf } from '../registry/list.ts';
import type { Selection } from '../registry/selection.ts';
import { ApiError, revisionTooLarge, type Status } from '../status.ts';
import { startConvertingWatcher } from '../watch/converting.ts';
import { type EventType, eventLine, type WatchEvent } from '../watch/events.ts';
import { startWatcher, type Watcher } from '../watch/watcher.ts';
import type { Exchange, Sink } from '../wire/exchange.ts';
import type { Form } from './answer.ts';
import { createWriter, errorLine, type Writer } from './lines.ts';
import type { OpenWatches } from './open.ts';
import type { WatchOptions } from './options.ts';

/** How often a quiet watch tells how far it has come. */
const bookmarkMs = 60_000;
/** A client that takes nothing for so long is cut off; it comes back with the revision it has seen. */
const stallMs = 60_000;
/** Watches end by themselves after 30 to 60 minutes when the client sets no limit, so that load can spread. */
const defaultTimeoutMs = 1_800_000;
/** Lines of the present state written at once. */
const linesAtOnce = 25;

/** Answers a watch; resolves once it is over. Throws 410 and 504 before anything is written. */
export async function serveWatch(
  context: Context,
  exchange: Exchange,
  served: Served,
  selection: Selection,
  options: WatchOptions & { lane: string },
  form: Form,
  open: OpenWatches,
): Promise<void> {
  const asked = revisionOf(options.resourceVersion) ?? 0;
  const initial = options.sendInitialEvents ?? asked === 0;
  if (initial && selection.by !== undefined) await context.indexes.ready(served, selection.by.field);
  const now = context.store.revision();
  if (asked > now) throw revisionTooLarge(asked, now);
  const from = initial ? now : asked === 0 ? now : asked;
  const writer = createWriter(served, form);
  const sink = exchange.open(200, 'application/json');
  if (from < context.store.compactedRevision()) {
    sink.write(errorLine(from, context.store.compactedRevision()));
    return sink.end();
  }
  if (initial && !(await sendInitial(context, sink, served, selection, from, writer, options.lane))) return;
  if (options.sendInitialEvents && options.bookmarks) sink.write(writer.bookmark(from, true));
  await follow({ context, sink, served, selection, options, writer, open }, from);
}

/** The present state as ADDED events; false when the client has gone or the history ran away underneath. */
async function sendInitial(
  context: Context,
  sink: Sink,
  served: Served,
  selection: Selection,
  revision: number,
  writer: Writer,
  lane: string,
): Promise<boolean> {
  const listing = {
    revision,
    prefix: scope(served, selection),
    ...among(context, served, selection, revision),
  };
  const pace = createPace(context, lane);
  const send = async (lines: readonly Uint8Array[]) => {
    if (!sink.write(Buffer.concat(lines))) await new Promise<void>((resolve) => sink.drained(resolve));
  };
  try {
    for await (const entries of readList(context, served, selection, listing, pace)) {
      let lines: Uint8Array[] = [];
      for (const entry of entries) {
        await pace();
        lines.push(
          writer.initial(
            () => wireForm(served, entry),
            () => decode(served, entry),
          ),
        );
        if (lines.length < linesAtOnce) continue;
        await send(lines);
        lines = [];
      }
      if (lines.length > 0) await send(lines);
      if (sink.closed) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof CompactedError) sink.write(errorLine(revision, error.compactedRevision));
    // A conversion webhook that fails: told as at the list that this watch begins with.
    if (error instanceof ApiError) {
      sink.write(eventLine('ERROR', JSON.stringify(error.status)));
      sink.end();
    } else sink.destroy();
    return false;
  }
}

function scope({ prefix, resource }: Served, { namespace }: Selection): string {
  return resource.namespaced && namespace !== undefined ? `${prefix}${namespace}/` : prefix;
}

type Following = {
  context: Context;
  sink: Sink;
  served: Served;
  selection: Selection;
  options: WatchOptions;
  writer: Writer;
  open: OpenWatches;
};

function follow(
  { context, sink, served, selection, options, writer, open }: Following,
  from: number,
): Promise<void> {
  const { clock, random } = context;
  return new Promise((resolve) => {
    let blocked = false;
    let cancelStall = () => {};
    let watcher: Watcher | undefined;

    const write = (line: Uint8Array): boolean => {
      const flowing = sink.write(line);
      if (!flowing && !blocked) wait();
      return flowing;
    };
    const wait = () => {
      blocked = true;
      cancelStall = clock.after(stallMs, () => sink.destroy());
      sink.drained(() => {
        cancelStall();
        blocked = false;
        watcher?.resume();
      });
    };
    const end = () => {
      context.hub.settle();
      if (!blocked) watcher?.resume();
      const position = watcher?.position();
      if (options.bookmarks && position !== undefined && !sink.closed)
        sink.write(writer.bookmark(position, false));
      watcher?.close();
      sink.end();
    };
    const bookmark = () => {
      const position = watcher?.position();
      if (position !== undefined && !blocked) write(writer.bookmark(position, false));
      cancelBookmark = clock.after(bookmarkMs, bookmark);
    };

    let cancelBookmark = options.bookmarks ? clock.after(bookmarkMs, bookmark) : () => {};
    const timeoutMs =
      options.timeoutSeconds === undefined
        ? defaultTimeoutMs * (1 + random.float())
        : options.timeoutSeconds * 1000;
    const cancelTimeout = clock.after(timeoutMs, end);
    const forget = open.add({ served, end });
    const { group, version, plural } = served.resource;
    // The definition may have changed while the first events went out, when nobody could end this watch yet.
    if (context.catalog.find(group, version, plural) !== served) end();
    const fail = (line: Uint8Array) => {
      sink.write(line);
      sink.end();
    };
    const receiver = {
      event: (type: EventType, event: WatchEvent) => write(writer.event(type, event)),
      expired: (compacted: number) => fail(errorLine(from, compacted)),
      failed: (status: Status) => fail(eventLine('ERROR', JSON.stringify(status))),
    };
    watcher =
      served.conversion === undefined
        ? startWatcher(context.hub, served, selection, from, receiver)
        : startConvertingWatcher(context, served, selection, from, receiver);
    sink.closedThen(() => {
      for (const stop of [cancelBookmark, cancelTimeout, cancelStall, forget]) stop();
      watcher?.close();
      resolve();
    });
  });
}
