/** A custom resource with a bit of everything, for cases that need one. */

const spec = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1, description: 'How big it is.' },
    host: { type: 'string', maxLength: 63 },
    color: { type: 'string', enum: ['red', 'green'], default: 'red' },
    parts: {
      type: 'array',
      maxItems: 5,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, count: { type: 'integer' } },
      },
    },
  },
  'x-kubernetes-validations': [{ rule: 'self.size < 100', message: 'too big' }],
};

const condition = {
  type: 'object',
  required: ['type', 'status'],
  properties: { type: { type: 'string' }, status: { type: 'string' }, reason: { type: 'string' } },
};

const status = {
  type: 'object',
  properties: {
    phase: { type: 'string' },
    conditions: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: condition,
    },
  },
};

/** The definition; `group` lets each case have its own. */
export function widgetDefinition(group: string, overrides: Record<string, unknown> = {}): unknown {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          selectableFields: [{ jsonPath: '.spec.host' }],
          additionalPrinterColumns: [
            { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
            { name: 'Host', type: 'string', jsonPath: '.spec.host', priority: 1 },
            { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: { openAPIV3Schema: { type: 'object', required: ['spec'], properties: { spec, status } } },
        },
      ],
      ...overrides,
    },
  };
}

/** A widget. */
export function widget(
  group: string,
  name: string,
  fields: Record<string, unknown> = { size: 3 },
  metadata: Record<string, unknown> = {},
): unknown {
  return { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name, ...metadata }, spec: fields };
}
