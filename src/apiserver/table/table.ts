/** meta.k8s.io/v1 Table and PartialObjectMetadata: the forms `kubectl get` and metadata informers ask for. */
import type { KubeObject } from '../object.ts';
import type { Cell, Column, ColumnDefinition } from './columns.ts';

/** How much of the object a row carries (`includeObject`). */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** One row: the cells, and the object behind them. */
export type TableRow = { cells: Cell[]; object?: unknown };

/** The metadata of a list. */
export type ListMeta = { resourceVersion?: string; continue?: string; remainingItemCount?: number };

/** meta.k8s.io Table. */
export type Table = {
  kind: 'Table';
  apiVersion: string;
  metadata: ListMeta;
  columnDefinitions: ColumnDefinition[] | null;
  rows: TableRow[];
};

/** How tables are made for one request. */
export type TableOptions = {
  columns: readonly Column[];
  include: IncludeObject;
  /** `v1` or `v1beta1`. */
  version: string;
  nowMs: number;
};

/** The table of some objects. `columnDefinitions` are left out of all but the first event of a watch. */
export function tableOf(
  objects: readonly KubeObject[],
  metadata: ListMeta,
  options: TableOptions & { withDefinitions: boolean },
): Table {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata,
    columnDefinitions: options.withDefinitions ? options.columns.map((column) => column.definition) : null,
    rows: objects.map((object) => rowOf(object, options)),
  };
}

/** The row of one object. */
export function rowOf(object: KubeObject, options: TableOptions): TableRow {
  const cells = options.columns.map((column) => column.cell(object, options.nowMs));
  if (options.include === 'None') return { cells, object: null };
  return { cells, object: options.include === 'Object' ? object : partialOf(object, options.version) };
}

/** Only the metadata of an object. */
export function partialOf(object: KubeObject, version: string): unknown {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: object.metadata,
  };
}
