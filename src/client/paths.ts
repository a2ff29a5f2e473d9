/** Paths and queries of the Kubernetes API: https://kubernetes.io/docs/reference/using-api/api-concepts/ */
import type { KindRef } from '../api/meta.ts';
import type { ListOptions, ObjectRef, WriteOptions } from './contract.ts';
import { ApiError } from './contract.ts';

export type Query = Readonly<Record<string, string | number | undefined>>;

/** The path of a kind's collection or of one object in it. */
export function pathOf(
  kind: KindRef,
  place: { namespace?: string; name?: string; subresource?: string },
  query: Query,
): string {
  const parts = [kind.group === '' ? '/api' : `/apis/${kind.group}`, kind.version];
  if (kind.namespaced && place.namespace !== undefined)
    parts.push('namespaces', encodeURIComponent(place.namespace));
  parts.push(kind.plural);
  if (place.name !== undefined) parts.push(encodeURIComponent(place.name));
  if (place.subresource !== undefined) parts.push(place.subresource);
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) text.set(name, String(value));
  }
  const search = text.toString();
  return `${parts.join('/')}${search === '' ? '' : `?${search}`}`;
}

/** An empty name would turn a request for one object into one for all of them: a DELETE of a whole collection. */
export function placeOf(kind: KindRef, ref: ObjectRef, options: WriteOptions = {}) {
  if (ref.name === '' || (kind.namespaced && (ref.namespace ?? '') === '')) {
    throw new ApiError(
      400,
      'BadRequest',
      `a ${kind.kind} needs a name${kind.namespaced ? ' and a namespace' : ''}`,
    );
  }
  const { name, namespace } = ref;
  const { subresource } = options;
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

/** The part of a query that selects objects of a list or a watch. */
export function selection(options: ListOptions): Query {
  const { labelSelector, fieldSelector, limit, resourceVersion } = options;
  return { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion };
}
