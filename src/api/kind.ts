/** A kind of Vireo: from this one definition come the TypeScript type, the CRD, the offline validation and the docs page. */
import type { Rules, TSchema } from './fields.ts';
import type { KindRef, KubeObject } from './meta.ts';

export const GROUP = 'vireo.dev';
export const VERSION = 'v1alpha1';

/** A column of `kubectl get`; `priority` 1 shows it with `-o wide` only. */
export type PrinterColumn = {
  name: string;
  type: 'string' | 'integer' | 'date' | 'number' | 'boolean';
  jsonPath: string;
  description: string;
  priority?: 0 | 1;
};

export type KindDefinition<T extends KubeObject = KubeObject> = KindRef<T> & {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: TSchema;
  readonly status: TSchema;
  /** Rules over the whole object. */
  readonly rules: Rules;
  /** Bound and pattern of metadata.name. */
  readonly nameSchema: { maxLength: number; pattern: string };
  readonly columns: readonly PrinterColumn[];
  /** JSON paths usable as field selectors, at most 8. */
  readonly selectable: readonly string[];
};

export const LABEL_NAME = { maxLength: 63, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' };
export const DOTTED_NAME = { maxLength: 63, pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$' };

/** Fills in what every kind of the group has in common. */
export function defineKind<T extends KubeObject>(
  definition: Omit<
    KindDefinition<T>,
    'group' | 'version' | 'singular' | 'rules' | 'nameSchema' | 'selectable' | 'object'
  > &
    Partial<Pick<KindDefinition<T>, 'rules' | 'nameSchema' | 'selectable'>>,
): KindDefinition<T> {
  return {
    rules: [],
    nameSchema: definition.namespaced ? LABEL_NAME : DOTTED_NAME,
    selectable: [],
    ...definition,
    group: GROUP,
    version: VERSION,
    singular: definition.kind.toLowerCase(),
  };
}
