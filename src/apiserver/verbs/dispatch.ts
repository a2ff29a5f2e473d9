/** From a request on a resource to the verb that answers it. */
import type { User } from '../access/user.ts';
import type { Served } from '../catalog/served.ts';
import type { Context } from '../registry/context.ts';
import { statusDoor } from '../resource.ts';
import { failure, methodNotAllowed, noSuchResource, notFound } from '../status.ts';
import { negotiate } from '../wire/accept.ts';
import type { Exchange } from '../wire/exchange.ts';
import type { ResourceTarget } from '../wire/target.ts';
import { formOf } from './answer.ts';
import {
  type Call,
  createObject,
  deleteObject,
  deleteObjects,
  getObject,
  listObjects,
  patchObject,
  updateObject,
  watchObjects,
} from './calls.ts';
import type { OpenWatches } from './open.ts';
import { truthOf } from './options.ts';
import { serveScale } from './scale.ts';

/** The verb a request means, as authorization and discovery name it. */
export function verbOf(target: ResourceTarget, method: string, query: URLSearchParams): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (target.watch) return 'watch';
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
  user: User,
): Promise<void> {
  const served = findServed(context, target);
  if (served.deprecation !== undefined) exchange.warn(served.deprecation);
  const form = formOf(negotiate(exchange.header('accept')), exchange.query, context.clock.now());
  const call: Call = { context, exchange, served, target, form, open, user };
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
    if (!served.resource.builtin && target.name !== undefined) throw methodNotAllowed(served.resource, verb);
    throw failure(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
  }
  return target.subresource === 'scale' ? serveScale(call, verb) : handler(call);
}

function findServed({ catalog }: Context, target: ResourceTarget): Served {
  const served = catalog.find(target.group, target.version, target.resource);
  if (served === undefined || !isPlaced(served, target)) throw noSuchResource();
  const { resource } = served;
  if (hasSubresource(served, target)) return served;
  throw resource.builtin ? noSuchResource() : notFound(resource, target.name ?? '');
}

/** Whether anything answers at this place, whoever asks and by whatever verb. */
export function isServed({ catalog }: Pick<Context, 'catalog'>, target: ResourceTarget): boolean {
  const served = catalog.find(target.group, target.version, target.resource);
  return served !== undefined && isPlaced(served, target) && hasSubresource(served, target);
}

function isPlaced({ resource }: Served, { namespace, name }: ResourceTarget): boolean {
  return namespace === undefined ? !resource.namespaced || name === undefined : resource.namespaced;
}

function hasSubresource({ resource }: Served, { subresource }: ResourceTarget): boolean {
  if (subresource === undefined || statusDoor(resource, subresource) !== undefined) return true;
  if (subresource === 'scale') return resource.subresources.scale !== undefined;
  const isOf = (plural: string) => resource.group === '' && resource.plural === plural;
  // Tokens are only asked for, which is answered elsewhere: no verb fits them.
  return (
    (subresource === 'finalize' && isOf('namespaces')) || (subresource === 'token' && isOf('serviceaccounts'))
  );
}

/** Which verbs a collection, an object and its subresources have. */
function fits({ resource }: Served, { name, namespace, subresource }: ResourceTarget, verb: string): boolean {
  if (subresource === 'token' || !resource.verbs.some((known) => known === verb)) return false;
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
