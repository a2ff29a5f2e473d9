/** The verbs of the scale subresource: read, replace and patch. */

import { keyOf } from '../catalog/keys.ts';
import { cloneJson } from '../object.ts';
import { applyJsonPatch } from '../patch/json.ts';
import { applyMergePatch } from '../patch/merge.ts';
import { decode } from '../registry/codec.ts';
import { type Scale, scaleOf, updateScale } from '../registry/scale.ts';
import { patchFailure } from '../registry/settle.ts';
import { oneInServedVersion } from '../registry/versions.ts';
import type { ScalePaths } from '../resource.ts';
import { noSuchResource, notFound, unsupportedMediaType } from '../status.ts';
import { decodeBody, decodeJson, mediaType } from '../wire/decode.ts';
import type { Call } from './calls.ts';
import { writeOptions } from './options.ts';

/** A Scale holds no lists, so a strategic merge is a merge. */
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

/** Answers GET, PUT and PATCH on `/scale`; always as a Scale in JSON. */
export async function serveScale(call: Call, verb: string): Promise<void> {
  const paths = call.served.resource.subresources.scale;
  if (paths === undefined) throw noSuchResource();
  const scale = verb === 'get' ? await readScale(call, paths) : await writeScale(call, paths, verb);
  call.exchange.send(200, 'application/json', JSON.stringify(scale));
}

async function readScale({ context, served, target }: Call, paths: ScalePaths): Promise<Scale> {
  const entry = context.store.get(keyOf(served.prefix, target.namespace, target.name ?? ''));
  if (entry === undefined) throw notFound(served.resource, target.name ?? '');
  return scaleOf(paths, decode(served, await oneInServedVersion(context, served, entry)));
}

async function writeScale(call: Call, paths: ScalePaths, verb: string): Promise<Scale> {
  const { context, served, target, user, exchange } = call;
  const place = { served, namespace: target.namespace, name: target.name ?? '' };
  const kind = verb === 'update' ? 'UpdateOptions' : 'PatchOptions';
  const options = { ...writeOptions(exchange, kind), user };
  const next = verb === 'update' ? await replacement(call) : await change(call);
  return updateScale(context, place, paths, next, options);
}

async function replacement({ exchange }: Call): Promise<(old: Scale) => unknown> {
  const { value } = await decodeBody(await exchange.body(), exchange.header('content-type'));
  return () => cloneJson(value);
}

async function change({ exchange, served, target }: Call): Promise<(old: Scale) => unknown> {
  const type = mediaType(exchange.header('content-type'), '');
  if (!patchTypes.includes(type)) throw unsupportedMediaType(patchTypes);
  const { value } = decodeJson(await exchange.body());
  const apply = type === 'application/json-patch+json' ? applyJsonPatch : applyMergePatch;
  return (old) => {
    try {
      return apply<Scale>(old, value);
    } catch (error) {
      throw patchFailure(error, served, target.name ?? '');
    }
  };
}
