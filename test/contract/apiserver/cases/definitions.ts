/** Custom resources: their definitions, what these promise, and their end. */
import { type Case, type Step, step } from '../suite.ts';
import { widget, widgetDefinition } from '../widgets.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const merge = 'application/merge-patch+json';

/** Each case has a group of its own, `<word>.{ns}.dev`. */
const install = (group: string): Step[] => [
  step('POST', definitions, { code: 201 }, { body: widgetDefinition(group) }),
  step('GET', `${definitions}/widgets.${group}`, {
    code: 200,
    eventually: true,
    body: {
      status: {
        conditions: [
          { type: 'NamesAccepted', status: 'True' },
          { type: 'Established', status: 'True' },
        ],
        acceptedNames: { plural: 'widgets', singular: 'widget', listKind: 'WidgetList' },
        storedVersions: ['v1'],
      },
    },
  }),
];
const uninstall = (group: string): Step => step('DELETE', `${definitions}/widgets.${group}`, { code: 200 });
const widgets = (group: string) => `/apis/${group}/v1/namespaces/{ns}/widgets`;

const group = '{ns}.dev';

export const definitionCases: Case[] = [
  {
    name: 'a definition is served at once, discovered, and takes its objects along when it goes',
    comparedWith: '1.33.4',
    steps: [
      ...install(group),
      step('GET', `/apis/${group}/v1`, {
        code: 200,
        eventually: true,
        body: {
          kind: 'APIResourceList',
          groupVersion: `${group}/v1`,
          resources: [
            { name: 'widgets', singularName: 'widget', shortNames: ['wd'], namespaced: true, kind: 'Widget' },
            { name: 'widgets/status', verbs: ['get', 'patch', 'update'] },
          ],
        },
      }),
      step(
        'POST',
        widgets(group),
        { code: 201, body: { metadata: { generation: 1 } } },
        { body: widget(group, 'a') },
      ),
      uninstall(group),
      step('GET', `${definitions}/widgets.${group}`, { code: 404, eventually: true }),
      step('GET', widgets(group), { code: 404 }),
      ...install(group),
      step('GET', widgets(group), { code: 200, body: { items: [] } }),
      uninstall(group),
    ],
  },
  {
    name: 'generation counts the changes of spec, and status is written apart',
    comparedWith: '1.33.4',
    steps: [
      ...install(group),
      step(
        'POST',
        widgets(group),
        { code: 201, body: { status: '<absent>', spec: { color: 'red' } } },
        { body: { ...(widget(group, 'a') as object), status: { phase: 'Up' } } },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a`,
        { code: 200, body: { metadata: { generation: 2 }, spec: { size: 4 } } },
        { type: merge, body: { spec: { size: 4 }, status: { phase: 'Up' } } },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a/status`,
        {
          code: 200,
          body: {
            metadata: { generation: 2, labels: '<absent>' },
            spec: { size: 4 },
            status: { phase: 'Up' },
          },
        },
        {
          type: merge,
          body: { metadata: { labels: { a: 'b' } }, spec: { size: 9 }, status: { phase: 'Up' } },
        },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a`,
        { code: 200, body: { metadata: { generation: 2 } } },
        { type: merge, body: { metadata: { labels: { a: 'b' } } } },
      ),
      step('GET', `${widgets(group)}/a/status`, { code: 200, body: { status: { phase: 'Up' } } }),
      step(
        'PUT',
        `${widgets(group)}/a`,
        {
          code: 422,
          body: {
            message: '/metadata.resourceVersion: Invalid value: 0x0: must be specified for an update/',
          },
        },
        { body: widget(group, 'a') },
      ),
      uninstall(group),
    ],
  },
  {
    name: 'what the schema does not allow is refused with its path',
    comparedWith: '1.33.4',
    steps: [
      ...install(group),
      step(
        'POST',
        widgets(group),
        {
          code: 422,
          body: {
            reason: 'Invalid',
            message: `Widget.${group} "a" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1`,
            details: {
              name: 'a',
              group,
              kind: 'Widget',
              causes: [{ reason: 'FieldValueInvalid', field: 'spec.size' }],
            },
          },
        },
        { body: widget(group, 'a', { size: 0 }) },
      ),
      step(
        'POST',
        widgets(group),
        {
          code: 422,
          body: { details: { causes: [{ reason: 'FieldValueRequired', field: 'spec.size' }, '<any>'] } },
        },
        { body: widget(group, 'a', {}) },
      ),
      step(
        'POST',
        widgets(group),
        { code: 422, body: { message: '/too big/' } },
        { body: widget(group, 'a', { size: 100 }) },
      ),
      step(
        'POST',
        widgets(group),
        {
          code: 422,
          body: { message: '/spec.color: Unsupported value: "blue": supported values: "red", "green"/' },
        },
        { body: widget(group, 'a', { size: 1, color: 'blue' }) },
      ),
      step(
        'POST',
        widgets(group),
        { code: 422, body: { message: '/spec.parts\\[1\\]: Duplicate value/' } },
        { body: widget(group, 'a', { size: 1, parts: [{ name: 'p' }, { name: 'p' }] }) },
      ),
      uninstall(group),
    ],
  },
  {
    name: 'unknown and repeated fields: refused, warned of, or dropped',
    comparedWith: '1.33.4',
    steps: [
      ...install(group),
      step(
        'POST',
        `${widgets(group)}?fieldValidation=Strict`,
        { code: 400, body: { message: '/strict decoding error: unknown field "spec.sise"/' } },
        { body: widget(group, 'a', { size: 1, sise: 2 }) },
      ),
      step(
        'POST',
        `${widgets(group)}?fieldValidation=Strict`,
        { code: 400, body: { message: '/strict decoding error: duplicate field "spec.size"/' } },
        {
          body: `{"apiVersion":"${group}/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":1,"size":2}}`,
        },
      ),
      // An owner that is null owns nothing, as one that cannot be understood.
      step(
        'POST',
        `${widgets(group)}?dryRun=All`,
        { code: 201, body: { metadata: { managedFields: ['<any>'] } } },
        {
          body: `{"apiVersion":"${group}/v1","kind":"Widget","metadata":{"name":"a","managedFields":[null]},"spec":{"size":1}}`,
        },
      ),
      step(
        'POST',
        `${widgets(group)}?dryRun=All`,
        {
          code: 201,
          body: { spec: { sise: '<absent>' } },
          headers: { warning: /299 - "unknown field \\"spec.sise\\""/ },
        },
        { body: widget(group, 'a', { size: 1, sise: 2 }) },
      ),
      step(
        'POST',
        `${widgets(group)}?fieldValidation=Ignore`,
        { code: 201, body: { spec: { sise: '<absent>' } }, headers: { warning: '' } },
        { body: widget(group, 'a', { size: 1, sise: 2 }) },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a?fieldValidation=Strict`,
        { code: 422, body: { message: '/unknown field "spec.sise"/' } },
        { type: merge, body: { spec: { sise: 2 } } },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a?fieldManager=m`,
        {
          code: 400,
          body: { message: '/\\.spec\\.sise: field not declared in schema/' },
          elsewhere: { code: 500, why: 'what the client wrote is wrong, not the server' },
        },
        { type: 'application/apply-patch+yaml', body: widget(group, 'a', { size: 1, sise: 2 }) },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a`,
        { code: 415 },
        { type: 'application/strategic-merge-patch+json', body: {} },
      ),
      uninstall(group),
    ],
  },
  {
    name: 'columns and selectable fields come from the definition',
    comparedWith: '1.33.4',
    steps: [
      ...install(group),
      step(
        'POST',
        widgets(group),
        { code: 201 },
        { body: widget(group, 'a', { size: 1, host: 'h1' }), save: { rv: 'metadata.resourceVersion' } },
      ),
      step('POST', widgets(group), { code: 201 }, { body: widget(group, 'b', { size: 2, host: 'h2' }) }),
      step(
        'PATCH',
        `${widgets(group)}/a/status`,
        { code: 200 },
        {
          type: merge,
          body: {
            status: {
              conditions: [
                { type: 'Other', status: 'False' },
                { type: 'Ready', status: 'True' },
              ],
            },
          },
        },
      ),
      step(
        'GET',
        widgets(group),
        {
          code: 200,
          body: {
            columnDefinitions: [
              { name: 'Name' },
              { name: 'Size', type: 'integer' },
              { name: 'Host', priority: 1 },
              { name: 'Ready' },
              { name: 'Age', type: 'date' },
            ],
            rows: [{ cells: ['a', 1, 'h1', 'True', '<any>'] }, { cells: ['b', 2, 'h2', null, '<any>'] }],
          },
        },
        { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
      ),
      step('GET', `${widgets(group)}?fieldSelector=spec.host%3Dh2`, {
        code: 200,
        body: { items: [{ metadata: { name: 'b' } }] },
      }),
      step('GET', `${widgets(group)}?fieldSelector=spec.size%3D1`, { code: 400 }),
      step('PATCH', `${widgets(group)}/b`, { code: 200 }, { type: merge, body: { spec: { host: 'h1' } } }),
      step(
        'GET',
        `${widgets(group)}?watch=1&fieldSelector=spec.host%3Dh2&resourceVersion={rv}&timeoutSeconds=1`,
        {
          code: 200,
          events: [
            { type: 'ADDED', object: { metadata: { name: 'b' } } },
            { type: 'DELETED', object: { metadata: { name: 'b' }, spec: { host: 'h2' } } },
          ],
        },
      ),
      uninstall(group),
    ],
  },
  {
    name: 'a malformed definition is refused with the path of each fault',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        definitions,
        { code: 422, body: { message: '/must be spec.names.plural\\+"."\\+spec.group/' } },
        { body: { ...(widgetDefinition(group) as object), metadata: { name: 'wrong' } } },
      ),
      step(
        'POST',
        definitions,
        { code: 422, body: { message: '/must have exactly one version marked as storage version/' } },
        {
          body: widgetDefinition(group, {
            versions: [
              { name: 'v1', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object' } } },
            ],
          }),
        },
      ),
      step(
        'POST',
        definitions,
        {
          code: 422,
          body: {
            message:
              '/spec\\.(versions\\[0\\]\\.schema|validation)\\.openAPIV3Schema\\.properties\\[spec\\]\\.type: Required value/',
          },
        },
        {
          body: widgetDefinition(group, {
            versions: [
              {
                name: 'v1',
                served: true,
                storage: true,
                schema: {
                  openAPIV3Schema: {
                    type: 'object',
                    properties: { spec: { properties: { a: { type: 'string' } } } },
                  },
                },
              },
            ],
          }),
        },
      ),
      step('POST', definitions, { code: 422 }, { body: widgetDefinition(group, { scope: 'Everywhere' }) }),
      step(
        'POST',
        definitions,
        { code: 422, body: { message: '/schemas are required/' } },
        { body: widgetDefinition(group, { versions: [{ name: 'v1', served: true, storage: true }] }) },
      ),
    ],
  },
  {
    name: 'a stricter schema does not lock what is stored already',
    comparedWith: '1.33.4',
    steps: [
      ...install(group),
      step(
        'POST',
        widgets(group),
        { code: 201 },
        { body: widget(group, 'a', { size: 50 }, { finalizers: ['example.dev/hold'] }) },
      ),
      step(
        'PATCH',
        `${definitions}/widgets.${group}`,
        { code: 200 },
        {
          type: 'application/json-patch+json',
          body: [
            {
              op: 'add',
              path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum',
              value: 10,
            },
          ],
        },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a?dryRun=All`,
        { code: 422, eventually: true },
        { type: merge, body: { spec: { size: 51 } } },
      ),
      step(
        'PATCH',
        `${widgets(group)}/a`,
        { code: 200, body: { spec: { size: 50 } } },
        { type: merge, body: { metadata: { finalizers: [] } } },
      ),
      uninstall(group),
    ],
  },
  {
    name: 'versions without conversion share their objects',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        definitions,
        { code: 201 },
        {
          body: widgetDefinition(group, {
            versions: ['v1', 'v2'].map((name) => ({
              name,
              served: true,
              storage: name === 'v2',
              deprecated: name === 'v1',
              schema: {
                openAPIV3Schema: {
                  type: 'object',
                  properties: {
                    spec: {
                      type: 'object',
                      properties: {
                        size: { type: 'integer' },
                        ...(name === 'v2' ? { extra: { type: 'string', default: 'new' } } : {}),
                      },
                    },
                  },
                },
              },
            })),
          }),
        },
      ),
      step(
        'POST',
        widgets(group),
        {
          code: 201,
          body: { apiVersion: `${group}/v1` },
          headers: { warning: /deprecated/ },
          eventually: true,
        },
        { body: widget(group, 'a') },
      ),
      step('GET', `/apis/${group}/v2/namespaces/{ns}/widgets/a`, {
        code: 200,
        body: { apiVersion: `${group}/v2`, spec: { size: 3, extra: 'new' } },
      }),
      step('GET', `${widgets(group)}/a`, {
        code: 200,
        body: { apiVersion: `${group}/v1`, spec: { size: 3, extra: '<absent>' } },
      }),
      step('GET', `/apis/${group}`, {
        code: 200,
        body: { kind: 'APIGroup', preferredVersion: { version: 'v2' } },
      }),
      uninstall(group),
    ],
  },
];
