/** Lists: all objects of a selection as they stood at one revision, read in slices so that nothing else waits long. */

import { CompactedError, type Entry } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import type { Pace } from '../fairness/pace.ts';
import { badRequest, expired, revisionTooLarge } from '../status.ts';
import type { ListMeta } from '../table/table.ts';
import type { Context } from './context.ts';
import { decodeContinue, encodeContinue } from './continue.ts';
import { type Selection, selects } from './selection.ts';
import { inServedVersion } from './versions.ts';

/** The options of a list. */
export type ListOptions = {
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  match?: 'Exact' | 'NotOlderThan';
};

/** A list about to be read. */
export type Listing = {
  revision: number;
  prefix: string;
  after?: string;
  limit?: number;
  /** Objects after this page, if known from the pages before. */
  remaining?: number;
  /** All that can be in it, where an index knows; with `exact` all of them are. */
  among?: readonly Entry[];
  exact?: boolean;
};

/** Entries read from the store at once, which is quick: they are not looked into. */
const slice = 200;
/** A page is held in memory until its end is known, so it ends early when its objects are large; clients go on by the token. */
const pageBytes = 32 * 1024 * 1024;

const tooOld =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/** Decides at which revision to read; throws 400, 410, 422 and 504. */
export function planList(
  context: Context,
  served: Served,
  selection: Selection,
  options: ListOptions,
): Listing {
  const now = context.store.revision();
  const prefix = scopePrefix(served, selection);
  const limit = options.limit === undefined || options.limit === 0 ? {} : { limit: options.limit };
  if (options.continue) {
    const token = decodeContinue(options.continue);
    const after = served.prefix + token.after;
    if (token.revision >= 0 && token.revision < context.store.compactedRevision()) {
      throw expired(tooOld, encodeContinue({ revision: -1, after: token.after }));
    }
    const revision = token.revision < 0 ? now : token.revision;
    if (revision > now) throw revisionTooLarge(revision, now);
    return {
      revision,
      prefix,
      after,
      ...limit,
      ...(token.remaining === undefined ? {} : { remaining: token.remaining }),
    };
  }
  const revision = revisionFor(context, options, now);
  return { revision, prefix, ...limit, ...among(context, served, selection, revision) };
}

/** What a selection at `revision` can hold at most, from the index of a field it demands: an index knows the present only. */
export function among(
  { store, indexes }: Context,
  served: Served,
  selection: Selection,
  revision: number,
): Pick<Listing, 'among' | 'exact'> {
  const { by } = selection;
  if (by === undefined || revision !== store.revision()) return {};
  const prefix = scopePrefix(served, selection);
  const keys = indexes.keys(served, by.field, by.value)?.filter((key) => key.startsWith(prefix));
  return keys === undefined ? {} : { among: keys.flatMap((key) => store.get(key) ?? []), exact: by.alone };
}

function revisionFor(context: Context, options: ListOptions, now: number): number {
  const asked = revisionOf(options.resourceVersion);
  if (asked === undefined || asked === 0) return now;
  if (asked > now) throw revisionTooLarge(asked, now);
  const exact = options.match === 'Exact' || (options.match === undefined && (options.limit ?? 0) > 0);
  if (!exact) return now;
  if (asked < context.store.compactedRevision())
    throw expired(`The resourceVersion for the provided list is too old.`);
  return asked;
}

/** A resourceVersion as a number; undefined when there is none; throws 400 for anything else. */
export function revisionOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  const value = JSON.stringify(text);
  throw badRequest(
    `invalid resource version: resourceVersion: Invalid value: ${value}: strconv.ParseUint: parsing ${value}: invalid syntax`,
  );
}

/** The keys a selection can be about. A name without a namespace still needs the whole resource. */
function scopePrefix({ prefix, resource }: Served, { namespace, name }: Selection): string {
  if (!resource.namespaced) return prefix + (name ?? '');
  return namespace === undefined ? prefix : `${prefix}${namespace}/${name ?? ''}`;
}

/** The name an entry must have, where the prefix alone does not say it. */
function belongs(entry: Entry, selection: Selection): boolean {
  const { name } = selection;
  return name === undefined || entry.key.endsWith(`/${name}`);
}

/**
 * The entries of the list in parts, looked through at the given pace. The return value is the metadata that a limited page ends with.
 */
export async function* readList(
  context: Context,
  served: Served,
  selection: Selection,
  listing: Listing,
  pace: Pace,
): AsyncGenerator<readonly Entry[], ListMeta> {
  const { revision, prefix, limit = Number.POSITIVE_INFINITY } = listing;
  let { after } = listing;
  let taken = 0;
  let bytes = 0;
  const metadata: ListMeta = { resourceVersion: String(revision) };
  for (;;) {
    const turn = pace();
    if (turn !== undefined) await turn;
    const range = { prefix, revision, limit: slice, ...(after === undefined ? {} : { after }) };
    const found =
      listing.among === undefined
        ? readSlice(context, range, served)
        : { entries: listing.among, more: false };
    const belonging = found.entries.filter((entry) => belongs(entry, selection));
    const shown =
      served.conversion === undefined ? belonging : await inServedVersion(context, served, belonging);
    const page: Entry[] = [];
    for (const [index, entry] of shown.entries()) {
      const next = pace();
      if (next !== undefined) await next;
      if (listing.exact !== true && !selects(served, selection, entry)) continue;
      page.push(entry);
      taken += 1;
      bytes += entry.value.byteLength;
      const full = taken >= limit || (listing.limit !== undefined && bytes >= pageBytes);
      if (full && (found.more || index < shown.length - 1)) {
        yield page;
        return { ...metadata, ...pageEnd(context, served, selection, listing, entry, taken) };
      }
    }
    yield page;
    const last = found.entries[found.entries.length - 1];
    if (!found.more || last === undefined) return metadata;
    after = last.key;
  }
}

function readSlice(
  context: Context,
  options: { prefix: string; revision: number; limit: number; after?: string },
  served: Served,
): { entries: readonly Entry[]; more: boolean } {
  try {
    return context.store.range(options);
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    const after = (options.after ?? served.prefix).slice(served.prefix.length);
    throw expired(tooOld, encodeContinue({ revision: -1, after }));
  }
}

function pageEnd(
  context: Context,
  served: Served,
  selection: Selection,
  listing: Listing,
  end: Entry,
  taken: number,
): ListMeta {
  const countable = selection.matches === undefined && selection.name === undefined;
  const total =
    listing.remaining ?? (listing.after === undefined ? context.store.count(listing.prefix) : undefined);
  const left = countable && total !== undefined ? Math.max(1, total - taken) : undefined;
  const after = end.key.slice(served.prefix.length);
  const token = { revision: listing.revision, after, ...(left === undefined ? {} : { remaining: left }) };
  return {
    continue: encodeContinue(token),
    ...(left === undefined ? {} : { remainingItemCount: left }),
  };
}

/** A whole selection as it is now, looked through at the given pace. */
export async function readAll(
  context: Context,
  served: Served,
  selection: Selection,
  pace: Pace,
): Promise<readonly Entry[]> {
  const { entries } = context.store.range({ prefix: scopePrefix(served, selection) });
  const belonging = entries.filter((entry) => belongs(entry, selection));
  // Without selectors nothing is looked into: a webhook that fails must not keep a namespace from its end.
  if (selection.matches === undefined) return belonging;
  const selected: Entry[] = [];
  for (const entry of await inServedVersion(context, served, belonging)) {
    await pace();
    if (selects(served, selection, entry)) selected.push(entry);
  }
  return selected;
}
