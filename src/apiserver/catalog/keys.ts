/** Where objects lie in the store: `/registry/<group>/<plural>/[<namespace>/]<name>`. */

/** The core group has no name; groups of definitions have a dot in theirs, so this one is free. */
const coreGroup = 'core';

/** The common beginning of all keys of a resource. */
export function prefixOf(group: string, plural: string): string {
  return `/registry/${group === '' ? coreGroup : group}/${plural}/`;
}

/** Below the prefix: the namespace, if any, and the name. */
export function keyOf(prefix: string, namespace: string | undefined, name: string): string {
  return namespace === undefined ? prefix + name : `${prefix}${namespace}/${name}`;
}

/** The namespace and name a key stands for. */
export function partsOf(prefix: string, key: string): { namespace: string | undefined; name: string } {
  const rest = key.slice(prefix.length);
  const at = rest.indexOf('/');
  return at < 0
    ? { namespace: undefined, name: rest }
    : { namespace: rest.slice(0, at), name: rest.slice(at + 1) };
}
