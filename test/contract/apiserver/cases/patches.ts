/** Patches of all four sorts, and who owns a field afterwards. */
import { type Case, step } from '../suite.ts';

const maps = '/api/v1/namespaces/{ns}/configmaps';
const body = (data: Record<string, string>, metadata: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', ...metadata },
  data,
});
const merge = 'application/merge-patch+json';
const json = 'application/json-patch+json';
const strategic = 'application/strategic-merge-patch+json';
const apply = 'application/apply-patch+yaml';

export const patchCases: Case[] = [
  {
    name: 'a merge patch sets, and removes by null',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 201 }, { body: body({ a: '1', b: '2' }) }),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 200, body: { data: { a: '<absent>', b: '2', c: '3' } } },
        { type: merge, body: { data: { a: null, c: '3' } } },
      ),
      step('PATCH', `${maps}/nope`, { code: 404 }, { type: merge, body: {} }),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 409, body: { reason: 'Conflict' } },
        { type: merge, body: { metadata: { resourceVersion: '1' }, data: { x: 'y' } } },
      ),
      step('PATCH', `${maps}/a`, { code: 400 }, { type: merge, body: '{' }),
    ],
  },
  {
    name: 'a JSON patch is done as a whole or not at all',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 201 }, { body: body({ a: '1' }) }),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 422, body: { reason: 'Invalid' } },
        {
          type: json,
          body: [
            { op: 'add', path: '/data/b', value: '2' },
            { op: 'test', path: '/data/a', value: 'other' },
          ],
        },
      ),
      step('GET', `${maps}/a`, { code: 200, body: { data: { a: '1', b: '<absent>' } } }),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 200, body: { data: { b: '2' } } },
        { type: json, body: [{ op: 'add', path: '/data/b', value: '2' }] },
      ),
    ],
  },
  {
    name: 'a strategic merge patch merges lists by their keys',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        '/api/v1/namespaces/{ns}/serviceaccounts',
        { code: 201 },
        {
          body: {
            apiVersion: 'v1',
            kind: 'ServiceAccount',
            metadata: { name: 'a' },
            secrets: [{ name: 'one' }],
          },
        },
      ),
      step(
        'PATCH',
        '/api/v1/namespaces/{ns}/serviceaccounts/a',
        { code: 200, body: { secrets: [{ name: 'one' }, { name: 'two' }] } },
        {
          type: strategic,
          body: {
            secrets: [{ name: 'two' }],
            '$setElementOrder/secrets': [{ name: 'one' }, { name: 'two' }],
          },
        },
      ),
      step(
        'PATCH',
        '/api/v1/namespaces/{ns}/serviceaccounts/a',
        { code: 415 },
        { type: 'application/json', body: {} },
      ),
    ],
  },
  {
    name: 'server-side apply creates, owns, conflicts by name, and can be forced',
    comparedWith: '1.33.4',
    steps: [
      step(
        'PATCH',
        `${maps}/a`,
        { code: 422, body: { message: '/fieldManager: Required value/' } },
        { type: apply, body: body({ k: '1' }) },
      ),
      step(
        'PATCH',
        `${maps}/a?fieldManager=one`,
        {
          code: 201,
          body: {
            metadata: {
              managedFields: [{ manager: 'one', operation: 'Apply', fieldsV1: { 'f:data': { 'f:k': {} } } }],
            },
          },
        },
        { type: apply, body: body({ k: '1' }) },
      ),
      step(
        'PATCH',
        `${maps}/a?fieldManager=one`,
        { code: 200 },
        { type: apply, body: body({ k: '1' }), save: { rv: 'metadata.resourceVersion' } },
      ),
      step('GET', `${maps}/a`, { code: 200, body: { metadata: { resourceVersion: '{rv}' } } }),
      step(
        'PATCH',
        `${maps}/a?fieldManager=two`,
        {
          code: 409,
          body: {
            reason: 'Conflict',
            message: 'Apply failed with 1 conflict: conflict with "one": .data.k',
            details: { causes: [{ reason: 'FieldManagerConflict', field: '.data.k' }] },
          },
        },
        { type: apply, body: body({ k: '2' }) },
      ),
      step(
        'PATCH',
        `${maps}/a?fieldManager=two&force=true`,
        { code: 200, body: { data: { k: '2' } } },
        { type: apply, body: body({ k: '2' }) },
      ),
      step(
        'PATCH',
        `${maps}/a?fieldManager=two`,
        { code: 200, body: { data: '<absent>' } },
        { type: apply, body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } } },
      ),
      step(
        'PATCH',
        `${maps}/a?fieldManager=one`,
        { code: 400 },
        { type: apply, body: { ...body({}), metadata: { name: 'other' } } },
      ),
      step('PATCH', `${maps}/a?force=true`, { code: 422 }, { type: merge, body: {} }),
    ],
  },
  {
    name: 'an update takes over the fields it changes, under the name of the program',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        maps,
        {
          code: 201,
          body: {
            metadata: {
              managedFields: [
                { manager: 'contract', operation: 'Update', fieldsV1: { 'f:data': { '.': {}, 'f:k': {} } } },
              ],
            },
          },
        },
        { body: body({ k: '1' }) },
      ),
      step(
        'PATCH',
        `${maps}/a?fieldManager=other`,
        {
          code: 200,
          body: {
            metadata: {
              managedFields: [
                { manager: 'contract', fieldsV1: { 'f:data': { 'f:k': '<absent>' } } },
                { manager: 'other', fieldsV1: { 'f:data': { 'f:k': {} } } },
              ],
            },
          },
        },
        { type: merge, body: { data: { k: '2' } } },
      ),
    ],
  },
];
