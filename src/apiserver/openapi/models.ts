/** The named schemas of an OpenAPI document: one per kind and list, and the parts of metav1 that every kind shares. */
import { apiVersionOf, type KindSchema, type ResourceInfo } from '../resource.ts';
import {
  managedFieldsEntrySchema,
  objectFields,
  objectMetaSchema,
  ownerReferenceSchema,
} from './objectmeta.ts';

/** A schema in a document: ours, or a reference to a named one. */
export type PublishedSchema = { [field: string]: unknown };

/** Named schemas by name. */
export type Models = { [name: string]: PublishedSchema };

const metaPrefix = 'io.k8s.apimachinery.pkg.apis.meta.v1.';

/** Name of metav1.ObjectMeta and its neighbours in a document. */
export function metaModel(kind: string): string {
  return `${metaPrefix}${kind}`;
}

/** The name of a kind's schema: as kube-apiserver names it, `dev.example.v1.Thing` for the group example.dev. */
export function modelName(resource: ResourceInfo, kind = resource.kind): string {
  const { group, version, builtin } = resource;
  if (builtin) return `io.k8s.api.${group === '' ? 'core' : group.split('.')[0]}.${version}.${kind}`;
  return [...group.split('.').reverse(), version, kind].join('.');
}

/** The models of these resources and all that they refer to. `prefix` is where the document keeps its models. */
export function modelsOf(resources: readonly ResourceInfo[], prefix: string): Models {
  const models: Models = { ...metaModels(prefix) };
  for (const resource of resources) {
    models[modelName(resource)] = kindModel(resource, prefix);
    models[modelName(resource, resource.listKind)] = listModel(resource, prefix);
  }
  return models;
}

/** The extension by which clients find the schema and the operations of a kind. */
export function kindExtension(resource: ResourceInfo, kind = resource.kind) {
  return { group: resource.group, version: resource.version, kind };
}

/** A reference to a model, in the one form that may carry a description beside it. */
export function reference(prefix: string, name: string, description: string): PublishedSchema {
  return { description, allOf: [{ $ref: `${prefix}${name}` }] };
}

function kindModel(resource: ResourceInfo, prefix: string): PublishedSchema {
  const { schema } = resource;
  const { apiVersion, kind } = objectFields;
  return {
    ...schema,
    type: 'object',
    properties: {
      apiVersion,
      kind,
      metadata: reference(
        prefix,
        metaModel('ObjectMeta'),
        "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
      ),
      ...withoutObjectFields(schema.properties),
    },
    'x-kubernetes-group-version-kind': [kindExtension(resource)],
  };
}

function listModel(resource: ResourceInfo, prefix: string): PublishedSchema {
  const { apiVersion, kind } = objectFields;
  return {
    description: `${resource.listKind} is a list of ${resource.kind}`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion,
      kind,
      metadata: reference(prefix, metaModel('ListMeta'), 'Standard list metadata.'),
      items: {
        type: 'array',
        description: `List of ${resource.plural} of ${apiVersionOf(resource)}.`,
        items: { $ref: `${prefix}${modelName(resource)}` },
      },
    },
    'x-kubernetes-group-version-kind': [kindExtension(resource, resource.listKind)],
  };
}

function withoutObjectFields(properties: { [name: string]: KindSchema } | undefined) {
  return Object.fromEntries(
    Object.entries(properties ?? {}).filter(([name]) => !Object.hasOwn(objectFields, name)),
  );
}

function metaModels(prefix: string): Models {
  const items = (name: string) => ({ $ref: `${prefix}${metaModel(name)}` });
  const properties = objectMetaSchema.properties ?? {};
  return {
    [metaModel('ObjectMeta')]: {
      ...objectMetaSchema,
      properties: {
        ...properties,
        ownerReferences: { ...properties.ownerReferences, items: items('OwnerReference') },
        managedFields: { ...properties.managedFields, items: items('ManagedFieldsEntry') },
      },
    },
    [metaModel('OwnerReference')]: { ...ownerReferenceSchema },
    [metaModel('ManagedFieldsEntry')]: { ...managedFieldsEntrySchema },
    [metaModel('ListMeta')]: listMeta,
    [metaModel('Status')]: status,
  };
}

const listMeta: PublishedSchema = {
  type: 'object',
  description: 'ListMeta describes metadata that lists must have.',
  properties: {
    continue: {
      type: 'string',
      description: 'Set when the server has more objects: a token for the next part.',
    },
    remainingItemCount: { type: 'integer', format: 'int64', description: 'How many objects are left.' },
    resourceVersion: { type: 'string', description: 'The version of the list, to start a watch from.' },
    selfLink: { type: 'string', description: 'No longer set by the system.' },
  },
};

const status: PublishedSchema = {
  type: 'object',
  description: 'Status is a return value for calls that return no other objects.',
  properties: {
    apiVersion: objectFields.apiVersion,
    kind: objectFields.kind,
    status: { type: 'string', description: 'One of: "Success" or "Failure".' },
    message: { type: 'string', description: 'A human-readable description of the status of this operation.' },
    reason: { type: 'string', description: 'A machine-readable word for why this operation failed.' },
    code: { type: 'integer', format: 'int32', description: 'The HTTP return code.' },
    details: { type: 'object', description: 'More data about the reason, which each reason defines itself.' },
  },
};
