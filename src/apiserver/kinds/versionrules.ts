/** What one version of a CustomResourceDefinition must fulfil: its schema, and all that points into objects (apiextensions, validation.go). */

import { compileSchema } from '../../schema/compile.ts';
import type { FieldError, JsonSchema } from '../../schema/contract.ts';
import { duplicate, invalid, required, tooMany } from '../../schema/errors.ts';
import { SchemaError } from '../../schema/node.ts';
import { checkRuleTypes } from '../../schema/ruletypes.ts';
import { checkStructural } from '../../schema/structural.ts';
import type { DefinitionVersion } from '../catalog/definition.ts';
import { label1035Errors, type NameCheck } from '../metadata/names.ts';
import { equalJson, isRecord } from '../object.ts';
import type { ScalePaths } from '../resource.ts';
import { compileJsonPath } from '../selection/jsonpath.ts';
import { checkRuleCosts } from './rulecosts.ts';

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const selectableLimit = 8;
const simplePath = /^(\.[A-Za-z0-9_-]+)+$/;

/** What `check` finds wrong with a text that must be there. */
export function faults(field: string, value: string, check: NameCheck): FieldError[] {
  if (value === '') return [required(field)];
  return check(value).map((fault) => invalid(field, value, fault));
}

/** All faults of a version at `path`; `old` is the stored one of that name, whose schema need not please again. */
export function checkVersion(
  version: DefinitionVersion,
  path: string,
  old?: DefinitionVersion,
): FieldError[] {
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
  const types = checkRuleTypes(schema, path);
  if (types.length > 0) return types;
  try {
    compileSchema(schema);
    return checkRuleCosts(schema, path);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return [invalid(error.path === '' ? path : `${path}.${error.path}`, error.value, error.detail)];
  }
}
