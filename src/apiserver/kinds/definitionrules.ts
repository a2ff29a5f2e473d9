/** What a CustomResourceDefinition must fulfil beyond its schema (apiextensions, validation.go). */

import { compileSchema } from '../../schema/compile.ts';
import type { FieldError, JsonSchema } from '../../schema/contract.ts';
import { duplicate, forbidden, invalid, required, tooMany, unsupported } from '../../schema/errors.ts';
import { SchemaError } from '../../schema/node.ts';
import { checkStructural } from '../../schema/structural.ts';
import { asDefinition, type Definition, type DefinitionVersion } from '../catalog/definition.ts';
import { label1035Errors, type NameCheck, subdomainErrors } from '../metadata/names.ts';
import { equalJson, isRecord, type KubeObject } from '../object.ts';
import type { ScalePaths } from '../resource.ts';
import { compileJsonPath } from '../selection/jsonpath.ts';
import { checkRuleCosts } from './rulecosts.ts';
import { checkTarget } from './webhook.ts';

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const selectableLimit = 8;
const simplePath = /^(\.[A-Za-z0-9_-]+)+$/;

/** All faults of a definition; `old` is the stored one at updates. */
export function validateDefinition(object: KubeObject, old?: KubeObject): FieldError[] {
  const definition = asDefinition(object);
  return [
    ...(old === undefined ? checkCreation(definition) : []),
    ...checkNames(definition),
    ...checkVersions(definition),
    ...definition.spec.versions.flatMap((version, index) =>
      checkVersion(version, `spec.versions[${index}]`, versionBefore(old, version)),
    ),
    ...(old === undefined ? [] : checkChange(definition, asDefinition(old))),
  ];
}

function versionBefore(
  old: KubeObject | undefined,
  version: DefinitionVersion,
): DefinitionVersion | undefined {
  return old === undefined
    ? undefined
    : asDefinition(old).spec.versions.find(({ name }) => name === version.name);
}

function faults(field: string, value: string, check: NameCheck): FieldError[] {
  if (value === '') return [required(field)];
  return check(value).map((fault) => invalid(field, value, fault));
}

const approval = 'api-approved.kubernetes.io';

/** What is asked of new definitions only: the name that follows from what is defined, and who may define in groups of Kubernetes. */
function checkCreation({ metadata, spec }: Definition): FieldError[] {
  const { names, group } = spec;
  const wanted = `${names.plural}.${group}`;
  const isProtected = /(^|\.)(k8s|kubernetes)\.io$/.test(group);
  const approved = metadata.annotations?.[approval] ?? '';
  return [
    ...(metadata.name === wanted
      ? []
      : [invalid('metadata.name', metadata.name ?? '', 'must be spec.names.plural+"."+spec.group')]),
    ...(isProtected && approved === ''
      ? [
          required(
            `metadata.annotations[${approval}]`,
            `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`,
          ),
        ]
      : []),
  ];
}

function checkNames({ spec }: Definition): FieldError[] {
  const { names, group, scope } = spec;
  const mixedCase = (text: string) =>
    label1035Errors(text.toLowerCase()).map(
      (fault) => `may have mixed case, but should otherwise match: ${fault}`,
    );
  const groupFaults = faults('spec.group', group, subdomainErrors);
  return [
    ...groupFaults,
    ...(groupFaults.length === 0 && !group.includes('.')
      ? [invalid('spec.group', group, 'should be a domain with at least one dot')]
      : []),
    ...faults('spec.names.plural', names.plural, label1035Errors),
    ...faults('spec.names.singular', names.singular ?? '', label1035Errors),
    ...faults('spec.names.kind', names.kind, mixedCase),
    ...faults('spec.names.listKind', names.listKind ?? '', mixedCase),
    ...(names.shortNames ?? []).flatMap((name, index) =>
      faults(`spec.names.shortNames[${index}]`, name, label1035Errors),
    ),
    ...(names.kind !== '' && names.kind === names.listKind
      ? [invalid('spec.names.listKind', names.listKind, 'kind and listKind may not be the same')]
      : []),
    ...(names.categories ?? []).flatMap((name, index) =>
      faults(`spec.names.categories[${index}]`, name, label1035Errors),
    ),
    ...(['Namespaced', 'Cluster'].includes(scope)
      ? []
      : [unsupported('spec.scope', scope, ['Cluster', 'Namespaced'])]),
  ];
}

function checkVersions({ spec }: Definition): FieldError[] {
  const { versions, conversion } = spec;
  const storage = versions.filter((version) => version.storage).length;
  const seen = new Set<string>();
  const repeated = versions.filter(({ name }) => seen.size === seen.add(name).size);
  return [
    ...repeated.map(({ name }) => duplicate('spec.versions', name)),
    ...(storage === 1
      ? []
      : [
          invalid(
            'spec.versions',
            versions.map(({ name }) => name),
            'must have exactly one version marked as storage version',
          ),
        ]),
    ...(spec.preserveUnknownFields === true
      ? [
          invalid(
            'spec.preserveUnknownFields',
            true,
            'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
          ),
        ]
      : []),
    ...checkConversion(conversion),
  ];
}

function checkConversion(conversion: Definition['spec']['conversion']): FieldError[] {
  const { strategy = 'None', webhook } = conversion ?? {};
  const path = 'spec.conversion.webhook';
  if (strategy === 'None') {
    return webhook === undefined
      ? []
      : [forbidden(path, 'should not be set when strategy is not set to Webhook')];
  }
  if (strategy !== 'Webhook') return [unsupported('spec.conversion.strategy', strategy, ['None', 'Webhook'])];
  const { clientConfig, conversionReviewVersions: versions = [] } = webhook ?? {};
  const reviews = `${path}.conversionReviewVersions`;
  return [
    ...(clientConfig === undefined
      ? [required(`${path}.clientConfig`, 'required when strategy is set to Webhook')]
      : checkTarget(clientConfig, `${path}.clientConfig`)),
    ...(Array.isArray(versions) && versions.length === 0 ? [required(reviews)] : []),
    ...(Array.isArray(versions) && (versions.length === 0 || versions.includes('v1'))
      ? []
      : [invalid(reviews, versions, 'must include at least one of v1')]),
  ];
}

function checkVersion(version: DefinitionVersion, path: string, old?: DefinitionVersion): FieldError[] {
  return [
    ...faults(`${path}.name`, version.name, label1035Errors),
    ...checkDeprecation(version, `${path}.deprecationWarning`),
    ...(old !== undefined && equalJson(version.schema, old.schema)
      ? []
      : checkSchema(version, `${path}.schema.openAPIV3Schema`)),
    ...(version.additionalPrinterColumns ?? []).flatMap((column, index) => {
      const at = `${path}.additionalPrinterColumns[${index}]`;
      return [
        ...(column.name === '' ? [required(`${at}.name`)] : []),
        ...(columnTypes.includes(column.type)
          ? []
          : [invalid(`${at}.type`, column.type, `must be one of ${columnTypes.join(',')}`)]),
        ...checkJsonPath(column.jsonPath, `${at}.jsonPath`),
      ];
    }),
    ...checkSelectable(version, `${path}.selectableFields`),
    ...checkScale(version, `${path}.subresources.scale`),
  ];
}

function checkJsonPath(path: string, field: string): FieldError[] {
  if (!path.startsWith('.')) return [invalid(field, path, 'must be a simple json path starting with .')];
  try {
    compileJsonPath(path);
    return [];
  } catch (error) {
    return [invalid(field, path, error instanceof Error ? error.message : String(error))];
  }
}

/** What is scaled lies in spec or status: nothing else is a count. */
function checkScale({ subresources }: DefinitionVersion, path: string): FieldError[] {
  const scale = subresources?.scale;
  if (scale === undefined) return [];
  const check = (field: keyof ScalePaths, roots: readonly string[]): FieldError[] => {
    const value = scale[field];
    if (value === undefined || value === '') {
      return field === 'labelSelectorPath' ? [] : [required(`${path}.${field}`)];
    }
    if (!simplePath.test(value)) {
      return [
        invalid(
          `${path}.${field}`,
          value,
          value.startsWith('.')
            ? 'must be a json path in the dot notation'
            : 'must be a simple json path starting with .',
        ),
      ];
    }
    return roots.some((root) => value.startsWith(`${root}.`))
      ? []
      : [
          invalid(
            `${path}.${field}`,
            value,
            `should be a json path under ${roots.length > 1 ? 'either ' : ''}${roots.join(' or ')}`,
          ),
        ];
  };
  return [
    ...check('specReplicasPath', ['.spec']),
    ...check('statusReplicasPath', ['.status']),
    ...check('labelSelectorPath', ['.spec', '.status']),
  ];
}

function checkDeprecation(
  { deprecated, deprecationWarning: warning }: DefinitionVersion,
  field: string,
): FieldError[] {
  if (warning === undefined) return [];
  return [
    ...(deprecated === true ? [] : [invalid(field, warning, 'can only be set for deprecated versions')]),
    ...(warning === '' ? [invalid(field, warning, 'must not be an empty string')] : []),
  ];
}

/** Selected are single values that the schema names: nothing else can be compared with a text. */
function checkSelectable({ selectableFields = [], schema }: DefinitionVersion, path: string): FieldError[] {
  const paths = selectableFields.map(({ jsonPath }) => jsonPath);
  const found = paths.flatMap((jsonPath, index) => {
    const at = `${path}[${index}].jsonPath`;
    if (jsonPath === '') return [required(at)];
    if (!simplePath.test(jsonPath)) {
      return [invalid(at, jsonPath, 'is an invalid path: must be a simple path of names')];
    }
    const field = fieldAt(schema?.openAPIV3Schema, jsonPath.slice(1).split('.'));
    if (field === undefined) {
      return [invalid(at, jsonPath, 'is an invalid path: does not refer to a valid field')];
    }
    return [
      ...(['string', 'boolean', 'integer'].includes(field.type ?? '')
        ? []
        : [invalid(at, jsonPath, notSelectable)]),
      ...(paths.indexOf(jsonPath) < index ? [duplicate(at, jsonPath)] : []),
    ];
  });
  return [
    ...(paths.length > selectableLimit ? [tooMany(path, paths.length, selectableLimit)] : []),
    ...found,
  ];
}

const notSelectable =
  'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';

function fieldAt(schema: unknown, names: readonly string[]): JsonSchema | undefined {
  return names.reduce<JsonSchema | undefined>(
    (at, name) => at?.properties?.[name],
    isRecord(schema) ? schema : undefined,
  );
}

/** Compiling last: a schema that is not structural would only add errors that follow from the first ones. */
function checkSchema(version: DefinitionVersion, path: string): FieldError[] {
  const schema = version.schema?.openAPIV3Schema;
  if (!isRecord(schema)) return [required(path, 'schemas are required')];
  const structural = checkStructural(schema).map((fault) => ({
    ...fault,
    field: fault.field === '' ? path : `${path}.${fault.field}`,
  }));
  if (structural.length > 0) return structural;
  try {
    compileSchema(schema);
    return checkRuleCosts(schema, path);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return [invalid(error.path === '' ? path : `${path}.${error.path}`, error.value, error.detail)];
  }
}

function checkChange(definition: Definition, old: Definition): FieldError[] {
  const immutable: readonly (readonly [string, string, string])[] = [
    ['spec.group', definition.spec.group, old.spec.group],
    ['spec.scope', definition.spec.scope, old.spec.scope],
    ['spec.names.kind', definition.spec.names.kind, old.spec.names.kind],
    ['spec.names.plural', definition.spec.names.plural, old.spec.names.plural],
  ];
  const present = definition.spec.versions.map(({ name }) => name);
  return [
    ...immutable
      .filter(([, now, before]) => now !== before)
      .map(([field, now]) => invalid(field, now, 'field is immutable')),
    ...(definition.status?.storedVersions ?? [])
      .filter((name) => !present.includes(name))
      .map((name, index) =>
        invalid(
          `status.storedVersions[${index}]`,
          name,
          `missing from spec.versions; it was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
        ),
      ),
  ];
}
