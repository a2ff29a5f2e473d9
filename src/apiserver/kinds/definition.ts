/** CustomResourceDefinition: accepted, established and served within the write that creates it. */

import { roundDemands } from '../../schema/demands.ts';
import { shapeFault } from '../../schema/shape.ts';
import { dropUnknownDemands } from '../../schema/unknown.ts';
import {
  asDefinition,
  type Definition,
  type DefinitionNames,
  storageVersion,
} from '../catalog/definition.ts';
import { settleNames } from '../catalog/names.ts';
import type { KubeObject } from '../object.ts';
import { badRequest } from '../status.ts';
import { createdAtColumn, nameColumn } from '../table/columns.ts';
import { validateDefinition } from './definitionrules.ts';
import { type Kind, kind } from './kind.ts';
import { anything, conditions, integer, listOf, record, setOf, text, truth } from './schema.ts';
import { clientConfig } from './webhook.ts';

/** Held in metadata.finalizers until the definition's objects are gone. */
export const instancesFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

/** Who else in the group uses one of these names; undefined when they are free. */
export type NameLookup = (group: string, names: DefinitionNames, owner: string) => string | undefined;

const names = record(
  'The names of the resource.',
  {
    plural: text('As in the URL.'),
    singular: text('For command lines.'),
    kind: text('As in manifests.'),
    listKind: text('The kind of a list.'),
    shortNames: listOf(text('A name.'), 'For quick typing.'),
    categories: listOf(text('A name.'), 'Groups such as `all`.'),
  },
  { required: ['plural', 'kind'] },
);

const version = record(
  'One version of the resource.',
  {
    name: text('The version, such as v1.'),
    served: truth('Whether it can be used.'),
    storage: truth('Whether objects are stored in it; true for exactly one.'),
    deprecated: truth('Whether clients are warned.'),
    deprecationWarning: text('The warning.'),
    schema: record('The schema.', { openAPIV3Schema: anything('A structural schema.') }),
    subresources: record('Subresources.', {
      status: anything('The status subresource.'),
      scale: record('The scale subresource.', {
        specReplicasPath: text('Where the wish is.'),
        statusReplicasPath: text('Where the state is.'),
        labelSelectorPath: text('Where the selector is.'),
      }),
    }),
    additionalPrinterColumns: listOf(
      record(
        'A column of kubectl get.',
        {
          name: text('Its head.'),
          type: text('integer, number, string, boolean or date.'),
          jsonPath: text('Where its value is.'),
          format: text('A hint.'),
          description: text('What it means.'),
          priority: integer('Above 0 only in wide output.'),
        },
        { required: ['name', 'type', 'jsonPath'] },
      ),
      'Columns of kubectl get.',
    ),
    selectableFields: listOf(
      record('A field.', { jsonPath: text('Where it is.') }, { required: ['jsonPath'] }),
      'Fields that field selectors may name.',
    ),
  },
  { required: ['name', 'served', 'storage'] },
);

const fields = {
  spec: record(
    'What is defined.',
    {
      group: text('The API group.'),
      names,
      scope: text('Namespaced or Cluster.'),
      versions: listOf(version, 'All versions.'),
      conversion: record('How versions are converted.', {
        strategy: text('None or Webhook.'),
        webhook: record('The webhook that converts.', {
          clientConfig,
          conversionReviewVersions: listOf(
            text('A version.'),
            'The versions of ConversionReview it understands.',
          ),
        }),
      }),
      preserveUnknownFields: truth('Must be false.'),
    },
    { required: ['group', 'names', 'scope', 'versions'] },
  ),
  status: record('Whether it is served.', {
    conditions: conditions('NamesAccepted, Established, Terminating.'),
    acceptedNames: names,
    storedVersions: setOf(text('A version.'), 'Versions objects may still be stored in.'),
  }),
};

function pruneSchemas(object: KubeObject): string[] {
  if (!isWhole(object)) return [];
  return asDefinition(object).spec.versions.flatMap((version, index) =>
    dropUnknownDemands(version?.schema?.openAPIV3Schema, `spec.versions[${index}].schema.openAPIV3Schema`),
  );
}

function fillDefaults(definition: Definition): void {
  for (const [index, version] of definition.spec.versions.entries()) {
    roundDemands(version.schema?.openAPIV3Schema);
    mustBeSchema(version.schema?.openAPIV3Schema, `spec.versions[${index}].schema.openAPIV3Schema`);
  }
  const { spec } = definition;
  const { names } = spec;
  if (names.kind !== '') {
    names.singular ||= names.kind.toLowerCase();
    names.listKind ||= `${names.kind}List`;
  }
  spec.conversion ??= { strategy: 'None' };
}

/** The schema of schemas would contain itself, so their types are checked here; refused with 400 as a decoder would. */
function mustBeSchema(schema: unknown, path: string): void {
  const fault = schema === undefined ? undefined : shapeFault(schema, path);
  if (fault === undefined) return;
  throw badRequest(
    `CustomResourceDefinition in version "v1" cannot be handled as a CustomResourceDefinition: json: cannot unmarshal ${fault.path}: must be of type ${fault.wanted}`,
  );
}

/** Versions once stored stay listed: objects of that version may still lie in the store. */
function addStoredVersion(definition: Definition): void {
  const current = storageVersion(definition)?.name;
  const stored = definition.status?.storedVersions ?? [];
  if (current === undefined || stored.includes(current)) return;
  definition.status = { ...definition.status, storedVersions: [...stored, current] };
}

/** Prepares without trusting the shape: what is malformed here is refused by the validation that follows. */
function isWhole(object: KubeObject): boolean {
  const { spec } = asDefinition(object);
  return typeof spec?.names?.kind === 'string' && Array.isArray(spec.versions);
}

function prepareCreate(object: KubeObject, time: string, lookup: NameLookup): void {
  if (!isWhole(object)) return;
  const definition = asDefinition(object);
  fillDefaults(definition);
  definition.status = {};
  const finalizers = definition.metadata.finalizers ?? [];
  if (!finalizers.includes(instancesFinalizer)) {
    definition.metadata.finalizers = [...finalizers, instancesFinalizer];
  }
  addStoredVersion(definition);
  settleNames(definition, lookup, time);
}

function prepareUpdate(object: KubeObject, time: string, lookup: NameLookup): void {
  if (!isWhole(object)) return;
  const definition = asDefinition(object);
  fillDefaults(definition);
  addStoredVersion(definition);
  settleNames(definition, lookup, time);
}

/** Serving stops with the write that deletes; the objects go next, then the definition. */
function prepareDelete(object: KubeObject): void {
  const definition = asDefinition(object);
  const others = (definition.status?.conditions ?? []).filter((item) => item.type !== 'Terminating');
  definition.status = {
    ...definition.status,
    conditions: [
      ...others,
      {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionInProgress',
        message: 'CustomResource deletion is in progress',
        ...(definition.metadata.deletionTimestamp === undefined
          ? {}
          : { lastTransitionTime: definition.metadata.deletionTimestamp }),
      },
    ],
  };
}

/** The CustomResourceDefinition kind. `lookup` tells whose names are taken. */
export function definitionKind(lookup: NameLookup): Kind {
  return kind({
    group: 'apiextensions.k8s.io',
    version: 'v1',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    namespaced: false,
    description: 'CustomResourceDefinition adds a resource to the API.',
    status: true,
    required: ['spec'],
    fields,
    behaviour: {
      generation: true,
      unconditionalUpdate: false,
      prune: pruneSchemas,
      prepareCreate: (object, time) => prepareCreate(object, time, lookup),
      prepareUpdate: (object, _old, time) => prepareUpdate(object, time, lookup),
      prepareDelete,
      validate: validateDefinition,
    },
    columns: [nameColumn, createdAtColumn],
  });
}
