/** The served groups, their versions in order of preference and their resources: what every form of discovery is made from. */
import type { Catalog } from '../catalog/catalog.ts';
import type { ResourceInfo } from '../resource.ts';

/** One version of a group. */
export type ServedVersion = { version: string; resources: ResourceInfo[] };

/** One group; the first version is preferred. The core group is ''. */
export type ServedGroup = { group: string; versions: ServedVersion[] };

/** All groups, the core group first. */
export function groupsOf(catalog: Catalog): ServedGroup[] {
  const groups = new Map<string, Map<string, ResourceInfo[]>>();
  for (const { resource } of catalog.all()) {
    const versions = groups.get(resource.group) ?? new Map<string, ResourceInfo[]>();
    groups.set(resource.group, versions);
    versions.set(resource.version, [...(versions.get(resource.version) ?? []), resource]);
  }
  return [...groups].map(([group, versions]) => ({
    group,
    versions: [...versions]
      .map(([version, resources]) => ({ version, resources }))
      .sort((a, b) => compareVersions(a.version, b.version)),
  }));
}

/**
 * GA before beta before alpha, the higher number first, other names last by alphabet.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-priority
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rankOf(a), rankOf(b)];
  if (left === undefined || right === undefined) {
    if (left !== undefined) return -1;
    if (right !== undefined) return 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  for (const [index, value] of left.entries()) {
    const difference = (right[index] ?? 0) - value;
    if (difference !== 0) return difference;
  }
  return 0;
}

function rankOf(version: string): number[] | undefined {
  const parts = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (parts === null) return undefined;
  const stability = parts[2] === undefined ? 2 : parts[2] === 'beta' ? 1 : 0;
  return [stability, Number(parts[1]), Number(parts[3] ?? 0)];
}
