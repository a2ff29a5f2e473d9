/** What a CustomResourceDefinition must fulfil beyond its schema (apiextensions, validation.go). */

import { compileSchema } from '../../schema/compile.ts';
import type { FieldError } from '../../schema/contract.ts';
import { duplicate, forbidden, invalid, required, tooMany, unsupported } from '../../schema/errors.ts';
import { checkStructural } from '../../schema/structural.ts';
import { asDefinition, type Definition, type DefinitionVersion } from '../catalog/definition.ts';
import { label1035Errors, type NameCheck, subdomainErrors } from '../metadata/names.ts';
import { equalJson, isRecord, type KubeObject } from '../object.ts';
import type { ScalePaths } from '../resource.ts';
import { compileJsonPath } from '../selection/jsonpath.ts';
import { checkRuleCosts } from './rulecosts.ts';
import { checkTarget } from './webhook.ts';

const columnTypes = ['integer', 'number', 'string', 'boolean', 'date'];
const selectableLimit = 8;
const simplePath = /^(\.[A-Za-z0-9_-]+)+$/;

/** All faults of a definition; `old` is the stored one at updates. */
export function validateDefinition(object: KubeObject, old?: KubeObject): FieldError[] {
  const definition = asDefinition(object);
  return [
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

function checkNames({ metadata, spec }: Definition): FieldError[] {
  const { names, group, scope } = spec;
  const wanted = `${names.plural}.${group}`;
  const lower = (field: string, value: string) => faults(field, value.toLowerCase(), label1035Errors);
  return [
    ...(metadata.name === wanted
      ? []
      : [invalid('metadata.name', metadata.name ?? '', 'must be spec.names.plural+"."+spec.group')]),
    ...faults('spec.group', group, subdomainErrors),
    ...(group !== '' && !group.includes('.')
      ? [invalid('spec.group', group, 'should be a domain with at least one dot')]
      : []),
    ...faults('spec.names.plural', names.plural, label1035Errors),
    ...faults('spec.names.singular', names.singular ?? '', label1035Errors),
    ...lower('spec.names.kind', names.kind),
    ...lower('spec.names.listKind', names.listKind ?? ''),
    ...(names.shortNames ?? []).flatMap((name, index) =>
      faults(`spec.names.shortNames[${index}]`, name, label1035Errors),
    ),
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
      ? [invalid('spec.preserveUnknownFields', true, 'must be false')]
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
  if (clientConfig === undefined) {
    return [required(`${path}.clientConfig`, 'required when strategy is set to Webhook')];
  }
  return [
    ...checkTarget(clientConfig, `${path}.clientConfig`),
    ...(Array.isArray(versions) && versions.includes('v1')
      ? []
      : [invalid(`${path}.conversionReviewVersions`, versions, 'must include at least one of v1')]),
  ];
}

function checkVersion(version: DefinitionVersion, path: string, old?: DefinitionVersion): FieldError[] {
  return [
    ...faults(`${path}.name`, version.name, label1035Errors),
    ...(old !== undefined && equalJson(version.schema, old.schema)
      ? []
      : checkSchema(version, `${path}.schema.openAPIV3Schema`)),
    ...(version.additionalPrinterColumns ?? []).flatMap((column, index) => {
      const at = `${path}.additionalPrinterColumns[${index}]`;
      return [
        ...(columnTypes.includes(column.type) ? [] : [unsupported(`${at}.type`, column.type, columnTypes)]),
        ...checkJsonPath(column.jsonPath, `${at}.jsonPath`),
      ];
    }),
    ...checkSelectable(version.selectableFields ?? [], `${path}.selectableFields`),
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
      return [invalid(`${path}.${field}`, value, 'must be a json path without array notation')];
    }
    return roots.some((root) => value.startsWith(`${root}.`))
      ? []
      : [invalid(`${path}.${field}`, value, `should be a json path under ${roots.join(' or ')}`)];
  };
  return [
    ...check('specReplicasPath', ['.spec']),
    ...check('statusReplicasPath', ['.status']),
    ...check('labelSelectorPath', ['.spec', '.status']),
  ];
}

function checkSelectable(fields: readonly { jsonPath: string }[], path: string): FieldError[] {
  return [
    ...(fields.length > selectableLimit ? [tooMany(path, fields.length, selectableLimit)] : []),
    ...fields.flatMap(({ jsonPath }, index) =>
      simplePath.test(jsonPath)
        ? []
        : [
            invalid(
              `${path}[${index}].jsonPath`,
              jsonPath,
              'is an invalid path: must be a simple path of names',
            ),
          ],
    ),
  ];
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
    return [
      {
        type: 'FieldValueInvalid',
        field: path,
        message: error instanceof Error ? error.message : String(error),
      },
    ];
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
