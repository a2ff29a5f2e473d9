/** The documents of discovery: the classic ones (APIGroupList, APIResourceList) and the aggregated one clients read at once. */
import { apiVersionOf, type ResourceInfo } from '../resource.ts';
import type { ServedGroup, ServedVersion } from './groups.ts';

const statusVerbs = ['get', 'patch', 'update'];

/** `takes`: the kind of its objects where it is not that of the resource. */
type Subresource = {
  name: string;
  verbs: readonly string[];
  takes?: { group: string; version: string; kind: string };
};

const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const tokenRequest = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };

/** Subresources beside the resource itself, with their verbs. */
function subresourcesOf(resource: ResourceInfo): Subresource[] {
  const doors = (['approval', 'status'] as const).filter((name) => resource.subresources[name] === true);
  const status = doors.map((name) => ({ name, verbs: statusVerbs }));
  const isNamespace = resource.group === '' && resource.plural === 'namespaces';
  const isAccount = resource.group === '' && resource.plural === 'serviceaccounts';
  if (isAccount) return [{ name: 'token', verbs: ['create'], takes: tokenRequest }];
  const scale =
    resource.subresources.scale === undefined
      ? []
      : [{ name: 'scale', verbs: statusVerbs, takes: scaleKind }];
  return isNamespace ? [{ name: 'finalize', verbs: ['update'] }, ...status] : [...status, ...scale];
}

/** metav1.APIResourceList of one group version. */
export function resourceList(group: string, { version, resources }: ServedVersion): unknown {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: resources.flatMap((resource) => [
      {
        name: resource.plural,
        singularName: resource.singular,
        namespaced: resource.namespaced,
        kind: resource.kind,
        verbs: resource.verbs,
        ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
        ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
      },
      ...subresourcesOf(resource).map(({ name, verbs, takes }) => ({
        name: `${resource.plural}/${name}`,
        singularName: '',
        namespaced: resource.namespaced,
        ...(takes ?? { kind: resource.kind }),
        verbs,
      })),
    ]),
  };
}

/** metav1.APIGroup. */
export function apiGroup({ group, versions }: ServedGroup): Record<string, unknown> {
  const all = versions.map(({ version }) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: all, preferredVersion: all[0] };
}

/** metav1.APIGroupList of all groups but the core group. */
export function apiGroupList(groups: readonly ServedGroup[]): unknown {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groups.filter(({ group }) => group !== '').map(apiGroup),
  };
}

/** apidiscovery.k8s.io APIGroupDiscoveryList; `version` is v2 or v2beta1. */
export function aggregated(groups: readonly ServedGroup[], version: string): unknown {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: group === '' ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
      versions: versions.map((served) => ({
        version: served.version,
        freshness: 'Current',
        resources: served.resources.map(aggregatedResource),
      })),
    })),
  };
}

function aggregatedResource(resource: ResourceInfo): unknown {
  const { group, version, kind } = resource;
  const responseKind = { group, version, kind };
  const subresources = subresourcesOf(resource).map(({ name, verbs, takes }) => ({
    subresource: name,
    responseKind: takes ?? responseKind,
    verbs,
  }));
  return {
    resource: resource.plural,
    responseKind,
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
    ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}
