/** Whole numbers of 64 bits: stored, patched, applied, selected and shown digit by digit. Texts are compared, since clients round. */
import { type Case, step } from '../suite.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const base = (group: string) => `/apis/${group}/v1/namespaces/{ns}/counters`;

/** As text: what a JavaScript client would send has lost its digits. */
const definition = (group: string) => `{
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "counters.${group}"},
  "spec": {"group": "${group}", "scope": "Namespaced", "names": {"plural": "counters", "kind": "Counter"}, "versions": [{
    "name": "v1", "served": true, "storage": true,
    "selectableFields": [{"jsonPath": ".spec.count"}],
    "additionalPrinterColumns": [{"name": "Count", "type": "integer", "jsonPath": ".spec.count"}],
    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
      "count": {"type": "integer", "format": "int64", "maximum": 9223372036854774784,
        "x-kubernetes-validations": [{"rule": "self != 9007199254740992", "message": "not that one"}]},
      "ratio": {"type": "number"},
      "first": {"type": "integer", "default": 9007199254740997},
      "ids": {"type": "array", "maxItems": 9, "x-kubernetes-list-type": "set", "items": {"type": "integer"}},
      "parts": {"type": "array", "maxItems": 9, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
        "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "n": {"type": "integer"}}}}
    }}}}}
  }]}}`;

const counter = (group: string, name: string, spec: string) =>
  `{"apiVersion":"${group}/v1","kind":"Counter","metadata":{"name":"${name}"},"spec":${spec}}`;

const defined = (group: string) => [
  step('POST', definitions, { code: 201, text: /"default":9007199254740997/ }, { body: definition(group) }),
  step('GET', base(group), { code: 200, eventually: true }),
];

const gone = (group: string) => step('DELETE', `${definitions}/counters.${group}`, { code: 200 });

export const numberCases: Case[] = [
  {
    name: 'come back from create, get, list, Table and watch with all their digits',
    comparedWith: '1.33.4',
    steps: [
      ...defined('n1.dev'),
      step(
        'POST',
        base('n1.dev'),
        { code: 201, text: /"count":9007199254740993\b/ },
        {
          body: counter('n1.dev', 'a', '{"count":9007199254740993}'),
          save: { revision: 'metadata.resourceVersion' },
        },
      ),
      step('GET', `${base('n1.dev')}/a`, {
        code: 200,
        text: /"count":9007199254740993\b.*"first":9007199254740997\b/,
      }),
      step('GET', base('n1.dev'), { code: 200, text: /"count":9007199254740993\b/ }),
      step(
        'GET',
        base('n1.dev'),
        { code: 200, text: /"cells":\["a",9007199254740993\]/ },
        { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
      ),
      step(
        'GET',
        `${base('n1.dev')}/a`,
        { code: 200, text: /^ {2}count: 9007199254740993$/m },
        { accept: 'application/yaml' },
      ),
      step('GET', `${base('n1.dev')}?watch=true&timeoutSeconds=1`, {
        code: 200,
        eventually: true,
        text: /"type":"ADDED".*"count":9007199254740993\b/,
      }),
      step('GET', `${base('n1.dev')}?fieldSelector=spec.count%3D9007199254740993`, {
        code: 200,
        body: { items: ['<any>'] },
      }),
      step('GET', `${base('n1.dev')}?fieldSelector=spec.count%3D9007199254740992`, {
        code: 200,
        body: { items: [] },
      }),
      gone('n1.dev'),
    ],
  },
  {
    name: 'are taken from YAML, and judged by bounds, formats and CEL as they are',
    comparedWith: '1.33.4',
    steps: [
      ...defined('n2.dev'),
      step(
        'POST',
        base('n2.dev'),
        { code: 201, text: /"count":-9223372036854775808\b/ },
        {
          type: 'application/yaml',
          body: 'apiVersion: n2.dev/v1\nkind: Counter\nmetadata: {name: a}\nspec: {count: -9223372036854775808}\n',
        },
      ),
      step(
        'POST',
        base('n2.dev'),
        { code: 422, text: /not that one/ },
        { body: counter('n2.dev', 'b', '{"count":9007199254740992}') },
      ),
      step(
        'POST',
        base('n2.dev'),
        { code: 422, text: /spec\.count in body must be of type (integer|int64): / },
        { body: counter('n2.dev', 'b', '{"count":9223372036854775808}') },
      ),
      step(
        'POST',
        base('n2.dev'),
        { code: 422, text: /Duplicate value: 9007199254740993/ },
        { body: counter('n2.dev', 'b', '{"ids":[9007199254740993,9007199254740993]}') },
      ),
      step(
        'POST',
        base('n2.dev'),
        { code: 201, text: /"ids":\[9007199254740993,9007199254740995\],"ratio":1[,}]/ },
        { body: counter('n2.dev', 'b', '{"ids":[9007199254740993,9007199254740995],"ratio":1.0}') },
      ),
      gone('n2.dev'),
    ],
  },
  {
    name: 'are patched, tested and applied exactly',
    comparedWith: '1.33.4',
    steps: [
      ...defined('n3.dev'),
      step(
        'POST',
        base('n3.dev'),
        { code: 201 },
        {
          body: counter('n3.dev', 'a', '{"count":9007199254740993,"parts":[{"id":9007199254740993,"n":1}]}'),
        },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/a`,
        { code: 422 },
        {
          type: 'application/json-patch+json',
          body: '[{"op":"test","path":"/spec/count","value":9007199254740992}]',
        },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/a`,
        { code: 200, text: /"id":9007199254740993,"n":9007199254740995/ },
        {
          type: 'application/json-patch+json',
          body: '[{"op":"test","path":"/spec/count","value":9007199254740993},{"op":"copy","from":"/spec/parts/0","path":"/spec/parts/-"},{"op":"replace","path":"/spec/parts/0/id","value":1},{"op":"replace","path":"/spec/parts/1/n","value":9007199254740995}]',
        },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/a`,
        { code: 200, body: { metadata: { generation: 3 } }, text: /"count":9007199254740999\b/ },
        { type: 'application/merge-patch+json', body: '{"spec":{"count":9007199254740999}}' },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/a`,
        { code: 200, body: { metadata: { generation: 3 } } },
        { type: 'application/merge-patch+json', body: '{"spec":{"count":9007199254740999}}' },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/b?fieldManager=one`,
        { code: 201, text: /k:\{\\"id\\":9007199254740993\}/ },
        {
          type: 'application/apply-patch+yaml',
          body: counter('n3.dev', 'b', '{"parts":[{"id":9007199254740993,"n":1}],"ids":[9007199254740993]}'),
        },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/b?fieldManager=two`,
        {
          code: 409,
          text: /\.spec\.parts\[id=9007199254740993\]\.n/,
          elsewhere: { code: 409, why: 'it prints keys of lists as doubles' },
        },
        {
          type: 'application/apply-patch+yaml',
          body: counter('n3.dev', 'b', '{"parts":[{"id":9007199254740993,"n":2}],"ids":[9007199254740995]}'),
        },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/b?fieldManager=two`,
        { code: 200, text: /"ids":\[9007199254740993,9007199254740995\]/ },
        {
          type: 'application/apply-patch+yaml',
          body: counter('n3.dev', 'b', '{"ids":[9007199254740995]}'),
        },
      ),
      step(
        'PATCH',
        `${base('n3.dev')}/b?fieldManager=one`,
        { code: 200, text: /"ids":\[9007199254740995\]/ },
        { type: 'application/apply-patch+yaml', body: counter('n3.dev', 'b', '{}') },
      ),
      gone('n3.dev'),
    ],
  },
];
