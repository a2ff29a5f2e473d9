/** From a request on a resource to the verb that answers it. */

import { keyOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { cloneJson } from '../object.ts';
import { bufferOf, decode, wireForm } from '../registry/codec.ts';
import type { Context, Place } from '../registry/context.ts';
import { create } from '../registry/create.ts';
import { readObject, reportFaults } from '../registry/incoming.ts';
import { planList, readList, revisionOf } from '../registry/list.ts';
import { patch } from '../registry/patch.ts';
import { remove } from '../registry/remove.ts';
import { selectionOf } from '../registry/selection.ts';
import { update } from '../registry/update.ts';
import type { Written } from '../registry/written.ts';
import { badRequest, failure, noSuchResource, notFound, revisionTooLarge } from '../status.ts';
import { negotiate } from '../wire/accept.ts';
import { decodeBody, mediaType } from '../wire/decode.ts';
import type { Exchange } from '../wire/exchange.ts';
import type { ResourceTarget } from '../wire/target.ts';
import { type Form, formOf, sendList, sendObject, sendStatus } from './answer.ts';
import { removeCollection } from './collection.ts';
import { deleteOptions, listOptions, truthOf, watchOptions, writeOptions } from './options.ts';
import { type OpenWatches, serveWatch } from './watch.ts';

/** A request that has found its resource. */
type Call = {
  context: Context;
  exchange: Exchange;
  served: Served;
  target: ResourceTarget;
  form: Form;
  open: OpenWatches;
};

/** The verb a request means, as authorization and discovery name it. */
export function verbOf(target: ResourceTarget, method: string, query: URLSearchParams): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (target.name !== undefined) return 'get';
      return truthOf(query, 'watch') === true ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return target.name === undefined ? 'deletecollection' : 'delete';
    default:
      return method.toLowerCase();
  }
}

/** Answers a request on a resource; throws ApiError. */
export async function dispatch(
  context: Context,
  exchange: Exchange,
  target: ResourceTarget,
  open: OpenWatches,
): Promise<void> {
  const served = findServed(context, target);
  if (served.deprecation !== undefined) exchange.warn(served.deprecation);
  const form = formOf(negotiate(exchange.header('accept')), exchange.query, context.clock.now());
  const call: Call = { context, exchange, served, target, form, open };
  const verb = verbOf(target, exchange.method, exchange.query);
  const byVerb: { readonly [verb: string]: ((call: Call) => Promise<void>) | undefined } = {
    get: getObject,
    list: listObjects,
    watch: watchObjects,
    create: createObject,
    update: updateObject,
    patch: patchObject,
    delete: deleteObject,
    deletecollection: deleteObjects,
  };
  const handler = byVerb[verb];
  if (handler === undefined || !fits(served, target, verb)) {
    throw failure(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
  }
  return handler(call);
}

function findServed({ catalog }: Context, target: ResourceTarget): Served {
  const served = catalog.find(target.group, target.version, target.resource);
  if (served === undefined) throw noSuchResource();
  const { resource } = served;
  if (target.namespace !== undefined && !resource.namespaced) throw noSuchResource();
  if (target.namespace === undefined && resource.namespaced && target.name !== undefined)
    throw noSuchResource();
  const { subresource } = target;
  if (subresource === undefined) return served;
  const isNamespace = resource.group === '' && resource.plural === 'namespaces';
  if (subresource === 'status' && resource.subresources.status === true) return served;
  if (subresource === 'finalize' && isNamespace) return served;
  throw noSuchResource();
}

/** Which verbs a collection, an object and its subresources have. */
function fits({ resource }: Served, { name, namespace, subresource }: ResourceTarget, verb: string): boolean {
  if (!resource.verbs.some((known) => known === verb)) return false;
  const acrossNamespaces = resource.namespaced && namespace === undefined;
  switch (verb) {
    case 'create':
      return name === undefined && !acrossNamespaces;
    case 'deletecollection':
      return !acrossNamespaces;
    case 'update':
      return name !== undefined;
    case 'delete':
      return subresource === undefined;
    case 'get':
    case 'patch':
      return name !== undefined && subresource !== 'finalize';
    default:
      return true;
  }
}

function placeOf({ served, target }: Call): Place {
  return { served, namespace: target.namespace, name: target.name ?? '' };
}

async function getObject(call: Call): Promise<void> {
  const { context, exchange, served, form } = call;
  const { namespace, name } = placeOf(call);
  const asked = revisionOf(exchange.query.get('resourceVersion') ?? '');
  const now = context.store.revision();
  if (asked !== undefined && asked > now) throw revisionTooLarge(asked, now);
  const entry = context.store.get(keyOf(served.prefix, namespace, name));
  if (entry === undefined) throw notFound(served.resource, name);
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

async function listObjects({ context, exchange, served, target, form }: Call): Promise<void> {
  const options = listOptions(exchange.query);
  const selection = selectionOf(served, { namespace: target.namespace, name: undefined }, exchange.query);
  const listing = planList(context, served, selection, options);
  const pages = readList(context, served, selection, listing);
  return sendList(
    exchange,
    served,
    pages,
    { revision: listing.revision, limited: listing.limit !== undefined },
    form,
  );
}

async function watchObjects({ context, exchange, served, target, form, open }: Call): Promise<void> {
  const selection = selectionOf(served, { namespace: target.namespace, name: undefined }, exchange.query);
  return serveWatch(context, exchange, served, selection, watchOptions(exchange.query), form, open);
}

async function createObject(call: Call): Promise<void> {
  const { context, exchange, served, target } = call;
  const options = writeOptions(exchange, 'CreateOptions');
  const decoded = await decodeBody(await exchange.body(), exchange.header('content-type'));
  const { object, faults } = readObject(served, decoded);
  reportFaults(faults, served, options);
  return sendWritten(call, await create(context, served, target.namespace, object, options));
}

async function updateObject(call: Call): Promise<void> {
  const { context, exchange, served, target } = call;
  const options = writeOptions(exchange, 'UpdateOptions');
  const decoded = await decodeBody(await exchange.body(), exchange.header('content-type'));
  const { object, faults } = readObject(served, decoded);
  reportFaults(faults, served, options);
  checkUrl(call, object.metadata);
  const subresource =
    target.subresource === 'status' || target.subresource === 'finalize' ? target.subresource : undefined;
  const written = await update(
    context,
    placeOf(call),
    { next: () => cloneJson(object), ...(subresource === undefined ? {} : { subresource }) },
    options,
  );
  return sendWritten(call, written);
}

function checkUrl({ target }: Call, metadata: { name?: string; namespace?: string }): void {
  const { name = '', namespace } = target;
  if (!metadata.name) throw badRequest('name must be provided');
  if (metadata.name !== name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (namespace !== undefined) metadata.namespace = namespace;
}

async function patchObject(call: Call): Promise<void> {
  const { context, exchange, target } = call;
  const options = writeOptions(exchange, 'PatchOptions');
  const type = mediaType(exchange.header('content-type'), '');
  const written = await patch(
    context,
    placeOf(call),
    {
      type,
      body: await exchange.body(),
      force: truthOf(exchange.query, 'force') ?? false,
      explicitManager: exchange.query.get('fieldManager') ?? undefined,
      ...(target.subresource === 'status' ? { subresource: 'status' } : {}),
    },
    options,
  );
  return sendWritten(call, written);
}

function sendWritten({ exchange, served, form }: Call, written: Written): Promise<void> {
  return sendObject(exchange, written.code, served, written, form);
}

async function deleteObject(call: Call): Promise<void> {
  const removed = await remove(call.context, placeOf(call), await deleteOptions(call.exchange));
  if (removed.gone) return sendStatus(call.exchange, removed.status);
  return sendWritten(call, removed);
}

async function deleteObjects({ context, exchange, served, target }: Call): Promise<void> {
  const selection = selectionOf(served, { namespace: target.namespace, name: undefined }, exchange.query);
  const removed = await removeCollection(context, served, selection, await deleteOptions(exchange));
  const metadata = { resourceVersion: String(context.store.revision()) };
  const list = { kind: served.resource.listKind, apiVersion: served.apiVersion, metadata, items: removed };
  exchange.send(200, 'application/json', JSON.stringify(list));
}
