/** Which objects of a resource a list, watch or deletecollection is about. */
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import { demanded, type FieldSelector, matchesFields, parseFieldSelector } from '../selection/fields.ts';
import { type LabelSelector, matchesLabels, parseLabelSelector } from '../selection/labels.ts';
import { type MayMatch, mayMatchOf } from '../selection/needles.ts';
import { bufferOf, decode, type Stored } from './codec.ts';

/** A selection. What selectors demand of namespace and name by equality is told apart: it needs no look into objects. */
export type Selection = {
  namespace: string | undefined;
  name: string | undefined;
  /** Absent when every object of the namespace and name is meant. */
  matches: ((object: KubeObject) => boolean) | undefined;
  /** What stored bytes must hold to match at all; only for values whose stored form is the served one. */
  mayMatch?: MayMatch;
  /** One of the fields of which a value is demanded; `alone` when nothing else is. */
  by?: { field: string; value: string; alone: boolean };
};

/** Reads the selectors of a request on `namespace` (undefined: all) and `name` (undefined: all); throws 400. */
export function selectionOf(
  served: Served,
  scope: { namespace: string | undefined; name: string | undefined },
  query: URLSearchParams,
): Selection {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '', served.selectable);
  const rest = fields.filter(({ field, equal }) => !(equal && isIdentity(field)));
  const name = scope.name ?? demanded(fields, 'metadata.name');
  const namespace =
    scope.namespace ?? (served.resource.namespaced ? demanded(fields, 'metadata.namespace') : undefined);
  const contradicts = fields.some(
    ({ field, equal, value }) =>
      equal &&
      ((field === 'metadata.name' && value !== name) ||
        (field === 'metadata.namespace' && value !== (namespace ?? ''))),
  );
  const by = rest.find(({ equal }) => equal);
  const mayMatch = contradicts ? () => false : mayMatchOf(labels, rest);
  return {
    namespace,
    name,
    matches: contradicts ? () => false : predicateOf(labels, rest),
    ...(mayMatch === undefined ? {} : { mayMatch }),
    ...(by === undefined
      ? {}
      : { by: { ...by, alone: !contradicts && labels.length === 0 && rest.length === 1 } }),
  };
}

/** Whether a stored value is selected; parses it only when its bytes alone do not say no. */
export function selects(served: Served, { matches, mayMatch }: Selection, stored: Stored): boolean {
  if (matches === undefined) return true;
  // Older values get defaults when they are read, which their bytes do not hold.
  const asStored = stored.modRevision > served.staleUpTo;
  if (asStored && mayMatch !== undefined && !mayMatch(bufferOf(stored.value))) return false;
  return matches(decode(served, stored));
}

function isIdentity(field: string): boolean {
  return field === 'metadata.name' || field === 'metadata.namespace';
}

function predicateOf(labels: LabelSelector, fields: FieldSelector): Selection['matches'] {
  if (labels.length === 0 && fields.length === 0) return undefined;
  return (object) => matchesLabels(labels, object.metadata.labels) && matchesFields(fields, object);
}
