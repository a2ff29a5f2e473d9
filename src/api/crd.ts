/** From a kind's definition to the CustomResourceDefinition that any Kubernetes API server takes. */
import type { JsonSchema } from '../schema/contract.ts';
import type { KindDefinition } from './kind.ts';

/** Keeps GitOps tools and Helm from deleting the definitions, and every guest with them. */
const KEEP_ANNOTATIONS = {
  'argocd.argoproj.io/sync-options': 'Prune=false',
  'helm.sh/resource-policy': 'keep',
  'kustomize.toolkit.fluxcd.io/prune': 'disabled',
};

/** TypeBox schemas are JSON Schema; this takes the plain structure without their hidden markers, and checks what a CRD forbids. */
function structural(schema: unknown, path: string): JsonSchema {
  const plain: unknown = JSON.parse(JSON.stringify(schema));
  assertStructural(plain, path);
  return plain as JsonSchema;
}

function assertStructural(schema: unknown, path: string): void {
  if (typeof schema !== 'object' || schema === null) return;
  for (const forbidden of ['const', 'patternProperties', '$ref', 'exclusiveMinimum', 'exclusiveMaximum']) {
    if (forbidden in schema) throw new Error(`${path}: ${forbidden} is not allowed in a structural schema`);
  }
  const { properties, items } = schema as { properties?: Record<string, unknown>; items?: unknown };
  for (const [name, child] of Object.entries(properties ?? {})) assertStructural(child, `${path}.${name}`);
  if (items !== undefined) assertStructural(items, `${path}[]`);
}

/** A field with a default leaves `required`: the API server fills it in. No `properties` rather than none in it, which a kube-apiserver drops:
 * to GitOps tools the definition would never be in sync. */
function relaxDefaults(schema: JsonSchema): JsonSchema {
  const { properties, required, items } = schema;
  const relaxed: JsonSchema = { ...schema };
  if (items !== undefined) relaxed.items = relaxDefaults(items);
  if (properties !== undefined) {
    relaxed.properties = Object.fromEntries(
      Object.entries(properties).map(([name, child]) => [name, relaxDefaults(child)]),
    );
    const needed = (required ?? []).filter((name) => properties[name]?.default === undefined);
    delete relaxed.required;
    if (Object.keys(properties).length === 0) delete relaxed.properties;
    if (needed.length > 0) relaxed.required = needed;
  }
  return relaxed;
}

/** The structural schema of a value that is no field of a kind, such as a scenario file. */
export function relaxedSchema(schema: unknown, path: string): JsonSchema {
  return relaxDefaults(structural(schema, path));
}

/** The OpenAPI v3 schema of whole objects of the kind. */
export function openApiSchema(kind: KindDefinition): JsonSchema {
  return {
    type: 'object',
    description: kind.description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: {
        type: 'object',
        properties: {
          name: { type: 'string', ...kind.nameSchema },
        },
      },
      spec: relaxedSchema(kind.spec, `${kind.kind}.spec`),
      status: relaxedSchema(kind.status, `${kind.kind}.status`),
    },
    ...(kind.rules.length === 0 ? {} : { 'x-kubernetes-validations': kind.rules }),
  };
}

/** The CustomResourceDefinition (apiextensions.k8s.io/v1) of the kind. */
export function customResourceDefinition(kind: KindDefinition) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${kind.plural}.${kind.group}`,
      annotations: KEEP_ANNOTATIONS,
      labels: { 'app.kubernetes.io/part-of': 'vireo' },
    },
    spec: {
      group: kind.group,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        shortNames: kind.shortNames,
        categories: ['vireo'],
      },
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: kind.version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: openApiSchema(kind) },
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          ...(kind.selectable.length === 0
            ? {}
            : { selectableFields: kind.selectable.map((jsonPath) => ({ jsonPath })) }),
        },
      ],
    },
  };
}
