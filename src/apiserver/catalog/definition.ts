/** CustomResourceDefinition as a type, and its reading into served resources. */
import type { JsonSchema } from '../../schema/contract.ts';
import { allVerbs } from '../kinds/kind.ts';
import type { KubeObject } from '../object.ts';
import type { PrinterColumn, ResourceInfo, ScalePaths } from '../resource.ts';

/** The names of a definition. */
export type DefinitionNames = {
  plural: string;
  kind: string;
  singular?: string;
  listKind?: string;
  shortNames?: string[];
  categories?: string[];
};

/** One version of a definition. */
export type DefinitionVersion = {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  deprecationWarning?: string;
  schema?: { openAPIV3Schema?: JsonSchema };
  subresources?: { status?: Record<string, never>; scale?: ScalePaths };
  additionalPrinterColumns?: PrinterColumn[];
  selectableFields?: { jsonPath: string }[];
};

/** metav1.Condition as definitions carry it. */
export type DefinitionCondition = {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
};

/** apiextensions.k8s.io/v1 CustomResourceDefinition. */
export type Definition = KubeObject & {
  spec: {
    group: string;
    names: DefinitionNames;
    scope: 'Namespaced' | 'Cluster';
    versions: DefinitionVersion[];
    conversion?: {
      strategy: string;
      webhook?: { clientConfig?: unknown; conversionReviewVersions?: unknown };
    };
    preserveUnknownFields?: boolean;
  };
  status?: {
    conditions?: DefinitionCondition[];
    acceptedNames?: DefinitionNames;
    storedVersions?: string[];
  };
};

/** Definitions have passed their schema before they are stored, so the shape is known. */
export function asDefinition(object: KubeObject): Definition {
  return object as Definition;
}

/** True when the condition of this type is True. */
export function isTrue(definition: Definition, type: string): boolean {
  return definition.status?.conditions?.some((item) => item.type === type && item.status === 'True') ?? false;
}

/** The version objects are stored in. */
export function storageVersion(definition: Definition): DefinitionVersion | undefined {
  return definition.spec.versions.find((version) => version.storage);
}

/** What a version of a definition serves. */
export function resourceOf(definition: Definition, version: DefinitionVersion): ResourceInfo {
  const { group, names, scope } = definition.spec;
  const { status, scale } = version.subresources ?? {};
  return {
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    verbs: allVerbs,
    schema: version.schema?.openAPIV3Schema ?? {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
    },
    subresources: {
      ...(status === undefined ? {} : { status: true }),
      ...(scale === undefined ? {} : { scale }),
    },
    printerColumns: version.additionalPrinterColumns ?? [],
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath),
    builtin: false,
  };
}
