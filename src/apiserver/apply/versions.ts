/** The versions of a kind as field owners see them: a field may have another name or place in each, and is owned under that of one. */
import type { KubeObject } from '../object.ts';
import type { Comparison } from './compare.ts';
import type { FieldType } from './typing.ts';

/** How objects look in each version of their kind. */
export type Versions = {
  /** The same for versions whose fields have the same names. */
  formOf(apiVersion: string): string;
  /** The type of objects in a version; undefined for one that is not served any more. */
  typeOf(apiVersion: string): FieldType | undefined;
  /** An object in another version. Neither argument nor result may be changed. */
  convert(object: KubeObject, apiVersion: string): KubeObject;
};

/** Versions that differ in nothing but their name. */
export function alike(type: FieldType): Versions {
  return { formOf: () => '', typeOf: () => type, convert: (object) => object };
}

/** A change as it looks in a version; undefined for one that is not served any more. */
export type ComparisonIn = (apiVersion: string) => Comparison | undefined;

/** A change that is known in one version, and in others once `compare` is asked. */
export function inVersions(
  versions: Versions,
  known: { apiVersion: string; comparison: Comparison },
  compare: (type: FieldType, apiVersion: string) => Comparison,
): ComparisonIn {
  const made = new Map<string, Comparison | undefined>([
    [versions.formOf(known.apiVersion), known.comparison],
  ]);
  return (apiVersion) => {
    const form = versions.formOf(apiVersion);
    if (!made.has(form)) {
      const type = versions.typeOf(apiVersion);
      made.set(form, type && compare(type, apiVersion));
    }
    return made.get(form);
  };
}
