/** The scale subresource, several versions of one definition, and the bounds on rules. */
import { type Case, type Step, step } from '../suite.ts';
import { widget, widgetDefinition } from '../widgets.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const merge = 'application/merge-patch+json';
const jsonPatch = 'application/json-patch+json';
const group = '{ns}.dev';
const widgets = `/apis/${group}/v1/namespaces/{ns}/widgets`;

type Version = Record<string, unknown> & { name: string };

/** The definition with its one version changed, and more versions beside it. */
function definitionWith(changes: Record<string, unknown>, more: readonly Version[] = []): unknown {
  const definition = widgetDefinition(group) as { spec: { versions: Version[] } };
  const [widgetVersion] = definition.spec.versions;
  const { selectableFields: _selectable, ...first } = widgetVersion ?? { name: 'v1' };
  return {
    ...definition,
    spec: { ...definition.spec, versions: [{ ...first, ...changes }, ...more] },
  };
}

const installed = (definition: unknown): Step[] => [
  step('POST', definitions, { code: 201 }, { body: definition }),
  step('GET', widgets, { code: 200, eventually: true }),
];
const uninstall: Step = step('DELETE', `${definitions}/widgets.${group}`, { code: 200 });

const scaled = definitionWith({
  subresources: {
    status: {},
    scale: {
      specReplicasPath: '.spec.size',
      statusReplicasPath: '.status.count',
      labelSelectorPath: '.status.selector',
    },
  },
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', properties: { size: { type: 'integer', maximum: 10 } } },
        status: {
          type: 'object',
          properties: { count: { type: 'integer' }, selector: { type: 'string' } },
        },
      },
    },
  },
});

const open = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };

/** A schema with one rule at a list without bounds. */
const ruled = (rule: string, bounds: Record<string, unknown>) =>
  definitionWith({
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            properties: { parts: { type: 'array', items: { type: 'string', ...bounds }, ...bounds } },
            'x-kubernetes-validations': [{ rule }],
          },
        },
      },
    },
  });

export const scalingCases: Case[] = [
  {
    name: 'scale shows and sets the fields its definition names',
    comparedWith: '1.33.4',
    steps: [
      ...installed(scaled),
      step('GET', `/apis/${group}/v1`, {
        code: 200,
        body: {
          resources: [
            { name: 'widgets' },
            { name: 'widgets/status' },
            { name: 'widgets/scale', group: 'autoscaling', version: 'v1', kind: 'Scale' },
          ],
        },
      }),
      step('POST', widgets, { code: 201 }, { body: widget(group, 'a', { size: 3 }) }),
      step(
        'PATCH',
        `${widgets}/a/status`,
        { code: 200 },
        { type: merge, body: { status: { count: 2, selector: 'app=a' } } },
      ),
      step(
        'GET',
        `${widgets}/a/scale`,
        {
          code: 200,
          body: {
            kind: 'Scale',
            apiVersion: 'autoscaling/v1',
            metadata: { name: 'a', namespace: '{ns}', uid: '<any>', resourceVersion: '<any>' },
            spec: { replicas: 3 },
            status: { replicas: 2, selector: 'app=a' },
          },
        },
        { save: { version: 'metadata.resourceVersion' } },
      ),
      step(
        'PUT',
        `${widgets}/a/scale`,
        { code: 200, body: { spec: { replicas: 5 } } },
        {
          body: {
            kind: 'Scale',
            apiVersion: 'autoscaling/v1',
            metadata: { name: 'a', namespace: '{ns}', resourceVersion: '{version}' },
            spec: { replicas: 5 },
          },
        },
      ),
      step(
        'PUT',
        `${widgets}/a/scale`,
        { code: 409, body: { reason: 'Conflict' } },
        {
          body: {
            kind: 'Scale',
            apiVersion: 'autoscaling/v1',
            metadata: { name: 'a', namespace: '{ns}', resourceVersion: '{version}' },
            spec: { replicas: 6 },
          },
        },
      ),
      step(
        'PATCH',
        `${widgets}/a/scale`,
        { code: 200, body: { spec: { replicas: 6 } } },
        { type: merge, body: { spec: { replicas: 6 } } },
      ),
      step(
        'PATCH',
        `${widgets}/a/scale`,
        { code: 422, body: { reason: 'Invalid' } },
        { type: jsonPatch, body: [{ op: 'replace', path: '/spec/replicas', value: -1 }] },
      ),
      step(
        'PATCH',
        `${widgets}/a/scale`,
        { code: 422, body: { reason: 'Invalid' } },
        { type: merge, body: { spec: { replicas: 11 } } },
      ),
      step('GET', `${widgets}/a`, {
        code: 200,
        body: { metadata: { generation: 3 }, spec: { size: 6 }, status: { count: 2 } },
      }),
      step('GET', `${widgets}/b/scale`, { code: 404 }),
      uninstall,
    ],
  },
  {
    name: 'a resource without scale has none, and the paths of one lie in spec and status',
    comparedWith: '1.33.4',
    steps: [
      ...installed(definitionWith({})),
      step('POST', widgets, { code: 201 }, { body: widget(group, 'a') }),
      step('GET', `${widgets}/a/scale`, { code: 404 }),
      uninstall,
      step('GET', `${definitions}/widgets.${group}`, { code: 404, eventually: true }),
      step(
        'POST',
        definitions,
        { code: 422, text: /should be a json path under \.spec/ },
        {
          body: definitionWith({
            subresources: { scale: { specReplicasPath: '.metadata.x', statusReplicasPath: '.status.y' } },
          }),
        },
      ),
    ],
  },
  {
    name: 'versions of one definition show the same objects, each by its own name, and storage may move',
    comparedWith: '1.33.4',
    steps: [
      ...installed(
        definitionWith({ schema: open }, [{ name: 'v2', served: true, storage: false, schema: open }]),
      ),
      step('POST', widgets, { code: 201 }, { body: widget(group, 'a', { size: 3 }) }),
      step('GET', `/apis/${group}/v2/namespaces/{ns}/widgets/a`, {
        code: 200,
        body: { apiVersion: `${group}/v2`, spec: { size: 3 } },
      }),
      step('GET', `/apis/${group}/v2/widgets`, {
        code: 200,
        body: { apiVersion: `${group}/v2`, items: [{ apiVersion: `${group}/v2`, metadata: { name: 'a' } }] },
      }),
      step(
        'PATCH',
        `${definitions}/widgets.${group}`,
        { code: 200, body: { status: { storedVersions: ['v1', 'v2'] } } },
        {
          type: jsonPatch,
          body: [
            { op: 'replace', path: '/spec/versions/0/storage', value: false },
            { op: 'replace', path: '/spec/versions/1/storage', value: true },
          ],
        },
      ),
      step('GET', `${widgets}/a`, {
        code: 200,
        eventually: true,
        body: { apiVersion: `${group}/v1`, spec: { size: 3 } },
      }),
      step(
        'PATCH',
        `${widgets}/a`,
        { code: 200, body: { apiVersion: `${group}/v1`, spec: { size: 4 } } },
        { type: merge, body: { spec: { size: 4 } } },
      ),
      step(
        'PATCH',
        `${definitions}/widgets.${group}`,
        { code: 422, text: /missing from spec\.versions/ },
        { type: jsonPatch, body: [{ op: 'remove', path: '/spec/versions/0' }] },
      ),
      step(
        'PATCH',
        `${definitions}/widgets.${group}`,
        { code: 200 },
        { type: jsonPatch, body: [{ op: 'replace', path: '/spec/versions/0/served', value: false }] },
      ),
      step('GET', widgets, { code: 404, eventually: true }),
      step('GET', `/apis/${group}/v2/namespaces/{ns}/widgets/a`, { code: 200, body: { spec: { size: 4 } } }),
      uninstall,
    ],
  },
  {
    name: 'an object that a new schema makes invalid can still be changed where it is not',
    comparedWith: '1.33.4',
    steps: [
      ...installed(definitionWith({ schema: open })),
      step(
        'POST',
        widgets,
        { code: 201 },
        { body: widget(group, 'a', { size: -3 }, { finalizers: ['g.dev/hold'] }) },
      ),
      step(
        'PATCH',
        `${definitions}/widgets.${group}`,
        { code: 200 },
        {
          type: jsonPatch,
          body: [
            {
              op: 'add',
              path: '/spec/versions/0/schema/openAPIV3Schema/properties',
              value: { spec: { type: 'object', properties: { size: { type: 'integer', minimum: 0 } } } },
            },
          ],
        },
      ),
      step(
        'PATCH',
        `${widgets}/a?dryRun=All`,
        { code: 422, eventually: true, text: /should be greater than or equal to 0/ },
        { type: merge, body: { spec: { size: -4 } } },
      ),
      step(
        'PATCH',
        `${widgets}/a`,
        { code: 200, body: { metadata: { labels: { a: 'b' } } } },
        { type: merge, body: { metadata: { labels: { a: 'b' } } } },
      ),
      step('DELETE', `${widgets}/a`, { code: 200 }),
      step('PATCH', `${widgets}/a`, { code: 200 }, { type: merge, body: { metadata: { finalizers: null } } }),
      step('GET', `${widgets}/a`, { code: 404 }),
      uninstall,
    ],
  },
  {
    name: 'a rule that could keep the server busy is refused with its factor, a bounded one is taken',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        definitions,
        {
          code: 422,
          text: /properties\[spec\]\.x-kubernetes-validations\[0\]\.rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x \(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared\)/,
        },
        { body: ruled('self.parts.all(x, self.parts.all(y, x == y))', {}) },
      ),
      ...installed(ruled('self.parts.all(x, self.parts.all(y, x == y))', { maxItems: 5, maxLength: 5 })),
      uninstall,
    ],
  },
];
