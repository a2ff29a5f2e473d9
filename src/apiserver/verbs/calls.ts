/** What each verb does with a request that has found its resource: options and body in, answer out. */

import { printJson } from '../../schema/json.ts';
import type { User } from '../access/user.ts';
import { keyOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { createPace, type Pace } from '../fairness/pace.ts';
import { laneOf } from '../fairness/turns.ts';
import { bufferOf, decode, wireForm } from '../registry/codec.ts';
import type { Context, Place } from '../registry/context.ts';
import { create } from '../registry/create.ts';
import { checkUrl, readObject, reportFaults } from '../registry/incoming.ts';
import { planList, readList, revisionOf } from '../registry/list.ts';
import { patch } from '../registry/patch.ts';
import { remove } from '../registry/remove.ts';
import { replace } from '../registry/replace.ts';
import { selectionOf } from '../registry/selection.ts';
import { oneInServedVersion } from '../registry/versions.ts';
import type { Written } from '../registry/written.ts';
import { statusDoor } from '../resource.ts';
import { badRequest, notFound, revisionTooLarge } from '../status.ts';
import { type Decoded, decodeBody, mediaType } from '../wire/decode.ts';
import type { Exchange } from '../wire/exchange.ts';
import type { ResourceTarget } from '../wire/target.ts';
import { type Form, sendObject, sendStatus } from './answer.ts';
import { removeCollection } from './collection.ts';
import { sendList } from './list.ts';
import type { OpenWatches } from './open.ts';
import { deleteOptions, listOptions, truthOf, watchOptions, writeOptions } from './options.ts';
import { serveWatch } from './watch.ts';

/** A request that has found its resource. */
export type Call = {
  context: Context;
  exchange: Exchange;
  served: Served;
  target: ResourceTarget;
  form: Form;
  open: OpenWatches;
  user: User;
};

function placeOf({ served, target }: Call): Place {
  return { served, namespace: target.namespace, name: target.name ?? '' };
}

/** Reads one object. */
export async function getObject(call: Call): Promise<void> {
  const { context, exchange, served, form } = call;
  const { namespace, name } = placeOf(call);
  const asked = revisionOf(exchange.query.get('resourceVersion') ?? '');
  const now = context.store.revision();
  if (asked !== undefined && asked > now) throw revisionTooLarge(asked, now);
  const found = context.store.get(keyOf(served.prefix, namespace, name));
  if (found === undefined) throw notFound(served.resource, name);
  const entry = served.conversion === undefined ? found : await oneInServedVersion(context, served, found);
  if (form.shape === 'Object') {
    const wire = () => wireForm(served, entry);
    return sendObject(exchange, 200, served, { object: unread, wire }, form);
  }
  return sendObject(
    exchange,
    200,
    served,
    { object: decode(served, entry), wire: () => bufferOf(entry.value) },
    form,
  );
}

/** Stands where the form of the answer does not look at the parsed object. */
const unread = { apiVersion: '', kind: '', metadata: {} };

/** Reads a collection. */
export async function listObjects({ context, exchange, served, target, form, user }: Call): Promise<void> {
  const options = listOptions(exchange.query);
  const selection = selectionOf(served, { namespace: target.namespace, name: undefined }, exchange.query);
  if (selection.by !== undefined) await context.indexes.ready(served, selection.by.field);
  const listing = planList(context, served, selection, options);
  const pace = createPace(context, laneOf(user.name, target), { begun: true });
  const pages = readList(context, served, selection, listing, pace);
  const plan = { revision: listing.revision, limited: listing.limit !== undefined };
  return sendList(exchange, served, pages, plan, form, pace);
}

/** Follows a collection. */
export async function watchObjects(call: Call): Promise<void> {
  const { context, exchange, served, target, form, open, user } = call;
  const { namespace, name } = target;
  const selection = selectionOf(served, { namespace, name }, exchange.query);
  const options = { ...watchOptions(exchange.query), lane: laneOf(user.name, target) };
  return serveWatch(context, exchange, served, selection, options, form, open);
}

/** A body that shall be a whole object, refused in the words by which clients know that it is none. */
async function decodeObject({ resource }: Served, bytes: Buffer, type: string | undefined): Promise<Decoded> {
  const start = bytes.subarray(0, 30);
  const text = bytes[0] === 0x7b ? start.toString('utf8') : start.toString('hex');
  const end = bytes.length === 0 ? '<empty>' : bytes.length > 30 ? `${text} ...` : text;
  const describe = (why: string) =>
    `the object provided is unrecognized (must be of type ${resource.kind}): couldn't get version/kind; json parse error: ${why} (${end})`;
  return decodeBody(bytes, type, describe);
}

/** Objects below this are written in one go. */
const largeBytes = 32 * 1024;

/** What a write of a large object gives way by, after the turn that it has had. */
function paceOf(call: Call, body: Buffer): { pace?: Pace } {
  const { context, target, user, served } = call;
  const { namespace, name } = placeOf(call);
  const stored = name === '' ? undefined : context.store.get(keyOf(served.prefix, namespace, name));
  if (body.byteLength < largeBytes && (stored?.value.byteLength ?? 0) < largeBytes) return {};
  return { pace: createPace(context, laneOf(user.name, target), { begun: true }) };
}

/** Creates an object. */
export async function createObject(call: Call): Promise<void> {
  const { context, exchange, served, target, user } = call;
  const body = await exchange.body();
  const options = { ...writeOptions(exchange, 'CreateOptions'), user, ...paceOf(call, body) };
  const decoded = await decodeObject(served, body, exchange.header('content-type'));
  await options.pace?.();
  const { object, faults } = readObject(served, decoded);
  await options.pace?.();
  reportFaults(faults, served, options);
  return sendWritten(call, await create(context, served, target.namespace, object, options));
}

/** Replaces an object. */
export async function updateObject(call: Call): Promise<void> {
  const { context, exchange, served, target, user } = call;
  const body = await exchange.body();
  const options = { ...writeOptions(exchange, 'UpdateOptions'), user, ...paceOf(call, body) };
  const decoded = await decodeObject(served, body, exchange.header('content-type'));
  await options.pace?.();
  const { object, faults } = readObject(served, decoded);
  await options.pace?.();
  reportFaults(faults, served, options);
  if (!object.metadata.name) throw badRequest('name must be provided');
  checkUrl(placeOf(call), object.metadata);
  const subresource =
    target.subresource === 'finalize' ? 'finalize' : statusDoor(served.resource, target.subresource);
  return sendWritten(call, await replace(context, placeOf(call), object, subresource, options));
}

/** Changes an object, or applies a configuration. */
export async function patchObject(call: Call): Promise<void> {
  const { context, exchange, served, target, user } = call;
  const body = await exchange.body();
  const options = { ...writeOptions(exchange, 'PatchOptions'), user, ...paceOf(call, body) };
  const door = statusDoor(served.resource, target.subresource);
  const type = mediaType(exchange.header('content-type'), '');
  const written = await patch(
    context,
    placeOf(call),
    {
      type,
      body,
      force: truthOf(exchange.query, 'force') ?? false,
      explicitManager: exchange.query.get('fieldManager') ?? undefined,
      ...(door === undefined ? {} : { subresource: door }),
    },
    options,
  );
  return sendWritten(call, written);
}

function sendWritten({ exchange, served, form }: Call, written: Written): Promise<void> {
  return sendObject(exchange, written.code, served, written, form);
}

/** Deletes an object. */
export async function deleteObject(call: Call): Promise<void> {
  const { user, exchange } = call;
  const options = {
    ...(await deleteOptions(exchange)),
    user,
    warn: exchange.warn,
    annotate: exchange.annotate,
  };
  const removed = await remove(call.context, placeOf(call), options);
  if (removed.gone) return sendStatus(call.exchange, removed.status);
  return sendWritten(call, removed);
}

/** Deletes what is selected of a collection. */
export async function deleteObjects(call: Call): Promise<void> {
  const { context, exchange, served, target, user } = call;
  const selection = selectionOf(served, { namespace: target.namespace, name: undefined }, exchange.query);
  const pace = createPace(context, laneOf(user.name, target), { begun: true });
  const options = {
    ...(await deleteOptions(exchange)),
    user,
    warn: exchange.warn,
    annotate: exchange.annotate,
  };
  const removed = await removeCollection(context, served, selection, options, pace);
  const metadata = { resourceVersion: String(context.store.revision()) };
  const head = JSON.stringify({ kind: served.resource.listKind, apiVersion: served.apiVersion, metadata });
  const items: string[] = [];
  for (const object of removed) {
    await pace();
    items.push(printJson(object));
  }
  exchange.send(200, 'application/json', `${head.slice(0, -1)},"items":[${items.join(',')}]}`);
}
