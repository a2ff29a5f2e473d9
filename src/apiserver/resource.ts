/** What the server knows of one served resource: built-in kinds and CRD versions look the same from here on. */
import type { JsonSchema } from '../schema/contract.ts';

/**
 * A schema of a built-in kind: beside the structural vocabulary it may say how a strategic merge patch merges a list.
 * https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
 */
export type KindSchema = Omit<JsonSchema, 'properties' | 'items' | 'additionalProperties'> & {
  properties?: { [name: string]: KindSchema };
  items?: KindSchema;
  additionalProperties?: boolean | KindSchema;
  /** The field by which items of a list are merged. */
  'x-kubernetes-patch-merge-key'?: string;
  /** `merge`, `replace`, `retainKeys` or two of them with a comma. */
  'x-kubernetes-patch-strategy'?: string;
};

/** One column of `kubectl get`, as in CustomResourceColumnDefinition. */
export type PrinterColumn = {
  name: string;
  type: 'integer' | 'number' | 'string' | 'boolean' | 'date';
  /** A JSONPath without braces, starting with a dot. */
  jsonPath: string;
  format?: string;
  description?: string;
  /** 0 is always shown, above that only with `-o wide`. */
  priority?: number;
};

/** The scale subresource of a CRD. */
export type ScalePaths = {
  specReplicasPath: string;
  statusReplicasPath: string;
  labelSelectorPath?: string;
};

/** The subresources a resource serves. */
export type Subresources = {
  status?: boolean;
  scale?: ScalePaths;
  /** True for certificate requests: approving them is another right than signing them. */
  approval?: boolean;
};

/** The subresources that are the object itself, of which only status is written. */
export type StatusDoor = 'status' | 'approval';

/** The door to status that a request names, if it is one and the resource has it. */
export function statusDoor(
  { subresources }: Pick<ResourceInfo, 'subresources'>,
  name: string | undefined,
): StatusDoor | undefined {
  if (name !== 'status' && name !== 'approval') return undefined;
  return subresources[name] === true ? name : undefined;
}

/** The verbs of discovery. */
export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** One resource at one version, complete enough for discovery, OpenAPI, Table and the verbs. */
export type ResourceInfo = {
  /** Empty for the core group. */
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  shortNames: readonly string[];
  categories: readonly string[];
  namespaced: boolean;
  verbs: readonly Verb[];
  /** The whole object: apiVersion, kind, metadata (type object) and the kind's fields. Custom resources need not spell metadata. */
  schema: JsonSchema;
  subresources: Subresources;
  printerColumns: readonly PrinterColumn[];
  /** JSONPaths (`.spec.host`) beside metadata.name and metadata.namespace that a field selector may name. */
  selectableFields: readonly string[];
  /** Built-in kinds take strategic merge patches; custom resources answer 415. */
  builtin: boolean;
};

/** `group/version`, or `v1` in the core group. */
export function apiVersionOf(resource: { group: string; version: string }): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** `plural.group` as error messages and CRD names write it; only `plural` in the core group. */
export function groupResource(resource: { group: string; plural: string }): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}
