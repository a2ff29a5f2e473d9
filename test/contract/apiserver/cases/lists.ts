/** Lists in pages, at revisions, through selectors, as tables; and watches. */
import { type Case, type Step, step } from '../suite.ts';

const maps = '/api/v1/namespaces/{ns}/configmaps';
const make = (name: string, labels: Record<string, string> = {}, save?: Step['save']): Step =>
  step(
    'POST',
    maps,
    { code: 201 },
    {
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels } },
      ...(save === undefined ? {} : { save }),
    },
  );
const names = (...all: string[]) => ({ items: all.map((name) => ({ metadata: { name } })) });
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

export const listCases: Case[] = [
  {
    name: 'a list in pages shows one moment',
    steps: [
      make('a'),
      make('b'),
      make('c'),
      step(
        'GET',
        `${maps}?limit=2`,
        {
          code: 200,
          body: {
            kind: 'ConfigMapList',
            ...names('a', 'b'),
            metadata: { continue: '<any>', remainingItemCount: 1, resourceVersion: '<any>' },
          },
        },
        { save: { token: 'metadata.continue', rv: 'metadata.resourceVersion' } },
      ),
      make('bb'),
      step('DELETE', `${maps}/c`, { code: 200 }),
      step('GET', `${maps}?limit=2&continue={token}`, {
        code: 200,
        body: { ...names('c'), metadata: { continue: '<absent>', resourceVersion: '{rv}' } },
      }),
      step('GET', `${maps}?resourceVersion={rv}&resourceVersionMatch=Exact`, {
        code: 200,
        body: names('a', 'b', 'c'),
      }),
      step('GET', `${maps}?resourceVersion={rv}&resourceVersionMatch=NotOlderThan`, {
        code: 200,
        body: names('a', 'b', 'bb'),
      }),
      step('GET', `${maps}?continue=rubbish`, { code: 400 }),
      step('GET', `${maps}?limit=x`, { code: 400 }),
      step('GET', `${maps}?resourceVersionMatch=Exact`, { code: 422 }),
      step('GET', `${maps}?resourceVersion=999999999999`, {
        code: 504,
        body: { reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } },
      }),
      step('GET', `${maps}?resourceVersion=abc`, { code: 422 }),
    ],
  },
  {
    name: 'label selectors in full',
    steps: [
      make('a', { app: 'x', tier: '1' }),
      make('b', { app: 'y' }),
      make('c', { other: 'z' }),
      step('GET', `${maps}?labelSelector=app%3Dx`, { code: 200, body: names('a') }),
      step('GET', `${maps}?labelSelector=app!%3Dx,app`, { code: 200, body: names('b') }),
      step('GET', `${maps}?labelSelector=app+in+(x,y)`, { code: 200, body: names('a', 'b') }),
      step('GET', `${maps}?labelSelector=app+notin+(x),other`, { code: 200, body: names('c') }),
      step('GET', `${maps}?labelSelector=!app,other`, { code: 200, body: names('c') }),
      step('GET', `${maps}?labelSelector=tier%3E0`, { code: 200, body: names('a') }),
      step('GET', `${maps}?labelSelector=app+in+x`, { code: 400 }),
      step('GET', `${maps}?labelSelector=app%3D%3D%3Dx`, { code: 400 }),
    ],
  },
  {
    name: 'field selectors on what every object has',
    steps: [
      make('a'),
      make('b'),
      step('GET', `${maps}?fieldSelector=metadata.name%3Da`, { code: 200, body: names('a') }),
      step('GET', `/api/v1/configmaps?fieldSelector=metadata.namespace%3D{ns},metadata.name!%3Da`, {
        code: 200,
        body: names('b'),
      }),
      step('GET', `${maps}?fieldSelector=data.k%3Da`, {
        code: 400,
        body: { message: '/field label not supported: data.k/' },
      }),
    ],
  },
  {
    name: 'a table has the columns of the kind and as much of the object as asked',
    steps: [
      make('a'),
      step(
        'GET',
        maps,
        {
          code: 200,
          body: {
            kind: 'Table',
            apiVersion: 'meta.k8s.io/v1',
            columnDefinitions: [
              { name: 'Name', type: 'string', format: 'name', priority: 0 },
              { name: 'Data' },
              { name: 'Age' },
            ],
            rows: [
              {
                cells: ['a', 0, '<any>'],
                object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } },
              },
            ],
          },
        },
        { accept: table },
      ),
      step(
        'GET',
        `${maps}/a?includeObject=Object`,
        { code: 200, body: { rows: [{ object: { kind: 'ConfigMap' } }] } },
        { accept: table },
      ),
      step(
        'GET',
        `${maps}?includeObject=None`,
        { code: 200, body: { rows: [{ object: '<absent>' }] } },
        { accept: table },
      ),
      step(
        'GET',
        maps,
        {
          code: 200,
          body: {
            kind: 'PartialObjectMetadataList',
            apiVersion: 'meta.k8s.io/v1',
            items: [{ kind: 'PartialObjectMetadata', data: '<absent>' }],
          },
        },
        { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
      ),
    ],
  },
];

const touch = (data: string): Step =>
  step(
    'PATCH',
    `${maps}/a`,
    { code: 200 },
    { type: 'application/merge-patch+json', body: { data: { k: data } } },
  );
const event = (type: string, name: string) => ({ type, object: { kind: 'ConfigMap', metadata: { name } } });

export const watchCases: Case[] = [
  {
    name: 'a watch from a revision tells all that came after it, once and in order',
    steps: [
      make('a', {}, { rv: 'metadata.resourceVersion' }),
      touch('1'),
      make('b'),
      step('DELETE', `${maps}/a`, { code: 200 }),
      step('GET', `${maps}?watch=1&resourceVersion={rv}&timeoutSeconds=1`, {
        code: 200,
        events: [event('MODIFIED', 'a'), event('ADDED', 'b'), event('DELETED', 'a')],
      }),
    ],
  },
  {
    name: 'a watch without a revision begins with what there is',
    steps: [
      make('a'),
      step('GET', `${maps}?watch=true&timeoutSeconds=1`, { code: 200, events: [event('ADDED', 'a')] }),
      step('GET', `${maps}?watch=true&timeoutSeconds=1&resourceVersion=0`, {
        code: 200,
        events: [event('ADDED', 'a')],
      }),
      step(
        'GET',
        `${maps}?watch=true&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
        {
          code: 200,
          text: /ADDED(.|\n)*BOOKMARK.*"k8s.io\/initial-events-end":"true"/,
        },
      ),
      step('GET', `${maps}?watch=true&sendInitialEvents=true`, { code: 422 }),
      step('GET', `${maps}?watch=true&resourceVersion=999999999999`, { code: 504 }),
    ],
  },
  {
    name: 'an object that stops matching is deleted for the watcher, one that starts to is added',
    steps: [
      make('a', { on: 'yes' }, { rv: 'metadata.resourceVersion' }),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 200 },
        { type: 'application/merge-patch+json', body: { metadata: { labels: { on: 'no' } } } },
      ),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 200 },
        { type: 'application/merge-patch+json', body: { metadata: { labels: { on: 'yes' } } } },
      ),
      step('GET', `${maps}?watch=1&labelSelector=on%3Dyes&resourceVersion={rv}&timeoutSeconds=1`, {
        code: 200,
        events: [
          { type: 'DELETED', object: { metadata: { labels: { on: 'yes' } } } },
          { type: 'ADDED', object: { metadata: { labels: { on: 'yes' } } } },
        ],
      }),
      step('GET', `${maps}?watch=1&fieldSelector=metadata.name%3Db&resourceVersion={rv}&timeoutSeconds=1`, {
        code: 200,
        events: [],
      }),
    ],
  },
  {
    name: 'a watch can be a table, whose first row says what the columns are',
    steps: [
      make('a'),
      make('b'),
      step(
        'GET',
        `${maps}?watch=1&timeoutSeconds=1`,
        {
          code: 200,
          events: [
            {
              type: 'ADDED',
              object: { kind: 'Table', columnDefinitions: '<any>', rows: [{ cells: ['a', 0, '<any>'] }] },
            },
            {
              type: 'ADDED',
              object: { kind: 'Table', columnDefinitions: null, rows: [{ cells: ['b', 0, '<any>'] }] },
            },
          ],
        },
        { accept: table },
      ),
    ],
  },
];
