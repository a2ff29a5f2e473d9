/** Lists in pages, at revisions, through selectors, as tables; and watches. */
import { type Case, type Step, step } from '../suite.ts';

/** Secrets, because every namespace has a ConfigMap from its beginning. */
const secrets = '/api/v1/namespaces/{ns}/secrets';
const make = (name: string, labels: Record<string, string> = {}, save?: Step['save']): Step =>
  step(
    'POST',
    secrets,
    { code: 201 },
    {
      body: { apiVersion: 'v1', kind: 'Secret', metadata: { name, labels } },
      ...(save === undefined ? {} : { save }),
    },
  );
const names = (...all: string[]) => ({ items: all.map((name) => ({ metadata: { name } })) });
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

export const listCases: Case[] = [
  {
    name: 'a list in pages shows one moment',
    comparedWith: '1.33.4',
    steps: [
      make('a'),
      make('b'),
      make('c'),
      step(
        'GET',
        `${secrets}?limit=2`,
        {
          code: 200,
          body: {
            kind: 'SecretList',
            ...names('a', 'b'),
            metadata: { continue: '<any>', remainingItemCount: 1, resourceVersion: '<any>' },
          },
        },
        { save: { token: 'metadata.continue', rv: 'metadata.resourceVersion' } },
      ),
      make('bb'),
      step('DELETE', `${secrets}/c`, { code: 200 }),
      step('GET', `${secrets}?limit=2&continue={token}`, {
        code: 200,
        body: { ...names('c'), metadata: { continue: '<absent>', resourceVersion: '{rv}' } },
      }),
      step('GET', `${secrets}?resourceVersion={rv}&resourceVersionMatch=Exact`, {
        code: 200,
        body: names('a', 'b', 'c'),
      }),
      step('GET', `${secrets}?resourceVersion={rv}&resourceVersionMatch=NotOlderThan`, {
        code: 200,
        body: names('a', 'b', 'bb'),
      }),
      step('GET', `${secrets}?continue=rubbish`, { code: 400 }),
      step('GET', `${secrets}?limit=x`, { code: 400 }),
      step('GET', `${secrets}?resourceVersionMatch=Exact`, { code: 422 }),
      step('GET', `${secrets}?resourceVersion=999999999999`, {
        code: 504,
        body: { reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } },
      }),
      step('GET', `${secrets}?resourceVersion=abc`, { code: 400 }),
    ],
  },
  {
    name: 'label selectors in full',
    comparedWith: '1.33.4',
    steps: [
      make('a', { app: 'x', tier: '1' }),
      make('b', { app: 'y' }),
      make('c', { other: 'z' }),
      step('GET', `${secrets}?labelSelector=app%3Dx`, { code: 200, body: names('a') }),
      step('GET', `${secrets}?labelSelector=app!%3Dx,app`, { code: 200, body: names('b') }),
      step('GET', `${secrets}?labelSelector=app+in+(x,y)`, { code: 200, body: names('a', 'b') }),
      step('GET', `${secrets}?labelSelector=app+notin+(x),other`, { code: 200, body: names('c') }),
      step('GET', `${secrets}?labelSelector=!app,other`, { code: 200, body: names('c') }),
      step('GET', `${secrets}?labelSelector=tier%3E0`, { code: 200, body: names('a') }),
      step('GET', `${secrets}?labelSelector=app+in+x`, { code: 400 }),
      step('GET', `${secrets}?labelSelector=app%3D%3D%3Dx`, { code: 400 }),
    ],
  },
  {
    name: 'field selectors on what every object has',
    comparedWith: '1.33.4',
    steps: [
      make('a'),
      make('b'),
      step('GET', `${secrets}?fieldSelector=metadata.name%3Da`, { code: 200, body: names('a') }),
      step('GET', `/api/v1/secrets?fieldSelector=metadata.namespace%3D{ns},metadata.name!%3Da`, {
        code: 200,
        body: names('b'),
      }),
      step('GET', `${secrets}?fieldSelector=data.k%3Da`, {
        code: 400,
        body: { message: '/field label not supported: data.k/' },
      }),
    ],
  },
  {
    name: 'a table has the columns of the kind and as much of the object as asked',
    comparedWith: '1.33.4',
    steps: [
      make('a'),
      step(
        'GET',
        secrets,
        {
          code: 200,
          body: {
            kind: 'Table',
            apiVersion: 'meta.k8s.io/v1',
            columnDefinitions: [
              { name: 'Name', type: 'string', format: 'name', priority: 0 },
              { name: 'Type' },
              { name: 'Data' },
              { name: 'Age' },
            ],
            rows: [
              {
                cells: ['a', 'Opaque', 0, '<any>'],
                object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } },
              },
            ],
          },
        },
        { accept: table },
      ),
      step(
        'GET',
        `${secrets}/a?includeObject=Object`,
        { code: 200, body: { rows: [{ object: { kind: 'Secret' } }] } },
        { accept: table },
      ),
      step(
        'GET',
        `${secrets}?includeObject=None`,
        { code: 200, body: { rows: [{ object: null }] } },
        { accept: table },
      ),
      step(
        'GET',
        secrets,
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
    `${secrets}/a`,
    { code: 200 },
    { type: 'application/merge-patch+json', body: { stringData: { k: data } } },
  );
const event = (type: string, name: string) => ({ type, object: { kind: 'Secret', metadata: { name } } });

export const watchCases: Case[] = [
  {
    name: 'a watch from a revision tells all that came after it, once and in order',
    comparedWith: '1.33.4',
    steps: [
      make('a', {}, { rv: 'metadata.resourceVersion' }),
      touch('1'),
      make('b'),
      step('DELETE', `${secrets}/a`, { code: 200 }),
      step('GET', `${secrets}?watch=1&resourceVersion={rv}&timeoutSeconds=1`, {
        code: 200,
        events: [event('MODIFIED', 'a'), event('ADDED', 'b'), event('DELETED', 'a')],
      }),
    ],
  },
  {
    name: 'a watch without a revision begins with what there is',
    comparedWith: '1.33.4',
    steps: [
      make('a'),
      step('GET', `${secrets}?watch=true&timeoutSeconds=1`, { code: 200, events: [event('ADDED', 'a')] }),
      step('GET', `${secrets}?watch=true&timeoutSeconds=1&resourceVersion=0`, {
        code: 200,
        events: [event('ADDED', 'a')],
      }),
      step('GET', `${secrets}?watch=true&sendInitialEvents=true`, { code: 422 }),
      step('GET', `${secrets}?watch=true&timeoutSeconds=1&resourceVersion=999999999999`, {
        code: 504,
        elsewhere: { code: 200, why: 'it waits until it has come so far' },
      }),
    ],
  },
  {
    name: 'a streaming list tells where what there was ends',
    comparedWith: '1.33.4',
    steps: [
      make('a'),
      step(
        'GET',
        `${secrets}?watch=true&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
        {
          code: 200,
          text: /ADDED(.|\n)*BOOKMARK.*"k8s.io\/initial-events-end":"true"/,
        },
      ),
    ],
  },
  {
    name: 'an object that stops matching is deleted for the watcher, one that starts to is added',
    comparedWith: '1.33.4',
    steps: [
      make('a', { on: 'yes' }, { rv: 'metadata.resourceVersion' }),
      step(
        'PATCH',
        `${secrets}/a`,
        { code: 200 },
        { type: 'application/merge-patch+json', body: { metadata: { labels: { on: 'no' } } } },
      ),
      step(
        'PATCH',
        `${secrets}/a`,
        { code: 200 },
        { type: 'application/merge-patch+json', body: { metadata: { labels: { on: 'yes' } } } },
      ),
      step('GET', `${secrets}?watch=1&labelSelector=on%3Dyes&resourceVersion={rv}&timeoutSeconds=1`, {
        code: 200,
        events: [
          { type: 'DELETED', object: { metadata: { labels: { on: 'yes' } } } },
          { type: 'ADDED', object: { metadata: { labels: { on: 'yes' } } } },
        ],
      }),
      step(
        'GET',
        `${secrets}?watch=1&fieldSelector=metadata.name%3Db&resourceVersion={rv}&timeoutSeconds=1`,
        {
          code: 200,
          events: [],
        },
      ),
    ],
  },
  {
    name: 'a watch can be a table, whose first row says what the columns are',
    comparedWith: '1.33.4',
    steps: [
      make('a'),
      make('b'),
      step(
        'GET',
        `${secrets}?watch=1&timeoutSeconds=1`,
        {
          code: 200,
          events: [
            {
              type: 'ADDED',
              object: {
                kind: 'Table',
                columnDefinitions: '<any>',
                rows: [{ cells: ['a', 'Opaque', 0, '<any>'] }],
              },
            },
            {
              type: 'ADDED',
              object: {
                kind: 'Table',
                columnDefinitions: null,
                rows: [{ cells: ['b', 'Opaque', 0, '<any>'] }],
              },
            },
          ],
        },
        { accept: table },
      ),
    ],
  },
];
