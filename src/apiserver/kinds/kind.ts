/** What makes a kind more than its schema: how it is prepared, checked and shown. One value of `Kind` for each built-in kind. */
import type { FieldError, JsonSchema } from '../../schema/contract.ts';
import type { User } from '../access/user.ts';
import { type NameCheck, subdomainErrors } from '../metadata/names.ts';
import type { KubeObject } from '../object.ts';
import { objectFields } from '../openapi/objectmeta.ts';
import type { KindSchema, ResourceInfo, StatusDoor, Verb } from '../resource.ts';
import { ageColumn, type Column, nameColumn } from '../table/columns.ts';

/** The rules of a kind beyond its schema. The functions that prepare change the object in place. */
export type Behaviour = {
  /** What a name may be. */
  nameErrors: NameCheck;
  /** True when metadata.generation counts the changes of everything but metadata and status. */
  generation: boolean;
  /** True when an update without resourceVersion means "whatever stands there". */
  unconditionalUpdate: boolean;
  /** True when an update creates what is not there. */
  createOnUpdate?: boolean;
  /** Takes out unknown fields where the schema says nothing of what may be there; returns their paths. */
  prune?: (object: KubeObject) => string[];
  /** Fills in what the server decides at creation. `time` is now, as metav1.Time; no `user`: the server itself creates. */
  prepareCreate?: (object: KubeObject, time: string, user?: User) => void;
  /** Takes back what an update may not touch. `door`: the update came through this subresource. */
  prepareUpdate?: (object: KubeObject, old: KubeObject, time: string, door?: StatusDoor) => void;
  /** What schema cannot say. `old` is there at updates, `door` at those through a subresource. */
  validate?: (
    object: KubeObject,
    old?: KubeObject,
    door?: StatusDoor,
  ) => FieldError[] | Promise<FieldError[]>;
  /** Why this object may never be deleted; undefined when it may. */
  undeletable?: (name: string) => string | undefined;
  /** Marks the object as being deleted, beside metadata.deletionTimestamp. */
  prepareDelete?: (object: KubeObject) => void;
  /** Reasons beside metadata.finalizers why the object must stay for now. */
  heldBy?: (object: KubeObject) => readonly string[];
  /** How objects differ in storage, for a kind that is a view of another. */
  view?: View;
};

/** A second form of one stored object. */
export type View = {
  /** The resource that stores. */
  of: { group: string; plural: string; version: string; kind: string };
  toStorage: (object: KubeObject) => KubeObject;
  fromStorage: (object: KubeObject) => KubeObject;
};

/** A kind the server is built with. */
export type Kind = { resource: ResourceInfo; behaviour: Behaviour; columns: readonly Column[] };

/** All verbs. */
export const allVerbs: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** What a built-in kind says of itself; the rest follows. */
export type KindDescription = {
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular?: string;
  shortNames?: readonly string[];
  categories?: readonly string[];
  namespaced: boolean;
  /** One sentence for `kubectl explain`. */
  description: string;
  /** The fields beside apiVersion, kind and metadata. */
  fields: { [name: string]: KindSchema };
  required?: readonly string[];
  status?: boolean;
  approval?: boolean;
  selectableFields?: readonly string[];
  /** Default all. */
  verbs?: readonly Verb[];
  behaviour?: Partial<Behaviour>;
  columns?: readonly Column[];
};

/** A built-in kind from its description. */
export function kind(description: KindDescription): Kind {
  const schema: KindSchema = {
    type: 'object',
    description: description.description,
    properties: { ...objectFields, ...description.fields },
    ...(description.required === undefined ? {} : { required: description.required }),
  };
  return {
    resource: {
      group: description.group,
      version: description.version,
      kind: description.kind,
      listKind: `${description.kind}List`,
      plural: description.plural,
      singular: description.singular ?? description.kind.toLowerCase(),
      shortNames: description.shortNames ?? [],
      categories: description.categories ?? [],
      namespaced: description.namespaced,
      verbs: description.verbs ?? allVerbs,
      schema: schema as JsonSchema,
      subresources: {
        ...(description.status === true ? { status: true } : {}),
        ...(description.approval === true ? { approval: true } : {}),
      },
      printerColumns: [],
      selectableFields: description.selectableFields ?? [],
      builtin: true,
    },
    behaviour: {
      nameErrors: subdomainErrors,
      generation: false,
      unconditionalUpdate: true,
      ...description.behaviour,
    },
    columns: description.columns ?? [nameColumn, ageColumn],
  };
}
