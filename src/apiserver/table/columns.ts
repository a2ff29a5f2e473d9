/** The columns of `kubectl get`: given in code by built-in kinds, compiled from JSONPaths for custom resources. */
import { printJson } from '../../schema/json.ts';
import { isNumber } from '../../schema/values.ts';
import type { KubeObject } from '../object.ts';
import type { PrinterColumn, ResourceInfo } from '../resource.ts';
import { compileJsonPath, type JsonPath, selectJsonPath } from '../selection/jsonpath.ts';
import { ageOf } from './age.ts';

/** A value of a cell: what JSON has for it. */
export type Cell = string | number | bigint | boolean | null;

/** meta.k8s.io TableColumnDefinition. */
export type ColumnDefinition = {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
};

/** A column that can fill its cell. */
export type Column = { definition: ColumnDefinition; cell: (object: KubeObject, nowMs: number) => Cell };

/** A column of a built-in kind. */
export function column(
  name: string,
  cell: (object: KubeObject, nowMs: number) => Cell,
  options: { type?: string; priority?: number; description?: string } = {},
): Column {
  return {
    definition: {
      name,
      type: options.type ?? 'string',
      format: name === 'Name' ? 'name' : '',
      description: options.description ?? '',
      priority: options.priority ?? 0,
    },
    cell,
  };
}

/** The first column of nearly every kind. */
export const nameColumn = column('Name', (object) => object.metadata.name ?? '', {
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names',
});

const creationDescription =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata';

/** How long ago the object was created. */
export const ageColumn = column('Age', (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs), {
  description: creationDescription,
});

/** The moment of creation, as RBAC kinds and CRDs show it. */
export const createdAtColumn = column('Created At', (object) => object.metadata.creationTimestamp ?? '', {
  type: 'date',
  description: creationDescription,
});

/** The columns of a custom resource: its name, then those it declares, or its age. */
export function customColumns(resource: Pick<ResourceInfo, 'printerColumns'>): Column[] {
  const declared = resource.printerColumns.map(customColumn);
  return [nameColumn, ...(declared.length === 0 ? [ageColumn] : declared)];
}

function customColumn(printer: PrinterColumn): Column {
  const path = compileJsonPath(printer.jsonPath);
  return {
    definition: {
      name: printer.name,
      type: printer.type,
      format: printer.format ?? '',
      description:
        printer.description ?? `Custom resource definition column (in JSONPath format): ${printer.jsonPath}`,
      priority: printer.priority ?? 0,
    },
    cell: (object, nowMs) => customCell(printer.type, path, object, nowMs),
  };
}

function customCell(type: PrinterColumn['type'], path: JsonPath, object: KubeObject, nowMs: number): Cell {
  const values = selectJsonPath(path, object).filter((value) => value !== null && value !== undefined);
  const first = values[0];
  if (first === undefined) return type === 'date' ? '<unknown>' : null;
  switch (type) {
    case 'date':
      return ageOf(first, nowMs);
    case 'integer':
      if (typeof first === 'bigint') return first;
      return typeof first === 'number' ? Math.trunc(first) : null;
    case 'number':
      return isNumber(first) ? Number(first) : null;
    case 'boolean':
      return typeof first === 'boolean' ? first : null;
    default:
      return values.map(textOf).join(' ');
  }
}

/** kubectl's JSONPath printer: strings as they are, everything else as JSON. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : printJson(value);
}
