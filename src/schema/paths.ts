/** Field paths as kube-apiserver writes them: `spec.disks[0].size`. */

/** The path of the field `name` of `parent`. */
export function childPath(parent: string, name: string): string {
  return parent === '' ? name : `${parent}.${name}`;
}

/** The path of item `index` of `parent`. */
export function itemPath(parent: string, index: number): string {
  return `${parent}[${index}]`;
}

/** The path of entry `key` of the map `parent`, as CEL rules name it. */
export function keyPath(parent: string, key: string): string {
  return `${parent}[${key}]`;
}

/** A whole-object path: apimachinery prints a nil field.Path so. */
export const rootPath = '<nil>';
