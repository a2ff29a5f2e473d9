import { afterEach, describe, expect, it } from 'vitest';
import type { CallWebhook } from '../../../src/apiserver/admission/webhook.ts';
import { callWebhook } from '../../../src/main/world/webhook.ts';
import { type Client, createClient } from '../../contract/apiserver/client.ts';
import { startEmbedded } from '../../contract/apiserver/embedded.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const base = '/apis/admissionregistration.k8s.io/v1';
const maps = '/api/v1/namespaces/default/configmaps';
const map = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});

type Asked = {
  uid: string;
  operation: string;
  name: string;
  object: { data?: Record<string, string> } | null;
  dryRun: boolean;
};

/** A webhook that answers as told and remembers what it was asked. */
function scripted(answer: (request: Asked) => Record<string, unknown>) {
  const asked: Asked[] = [];
  const call: CallWebhook = async ({ body }) => {
    const { request } = JSON.parse(body) as { request: Asked };
    asked.push(request);
    return { response: { uid: request.uid, ...answer(request) } };
  };
  return { asked, call };
}

async function start(call: CallWebhook, options: { clock?: ReturnType<typeof createFakeClock> } = {}) {
  const server = await startEmbedded({ callWebhook: call, ...options });
  closers.push(server.stop);
  const client = createClient(server.target);
  closers.push(() => client.close());
  return { server, client };
}

async function configure(
  client: Client,
  kind: 'Mutating' | 'Validating',
  changes: Record<string, unknown> = {},
) {
  const answer = await client.send('POST', `${base}/${kind.toLowerCase()}webhookconfigurations`, {
    body: {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: `${kind}WebhookConfiguration`,
      metadata: { name: 'w' },
      webhooks: [
        {
          name: 'w.g.dev',
          clientConfig: { url: 'https://hooks.g.dev/x' },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          ...changes,
        },
      ],
    },
  });
  expect(answer.code).toBe(201);
}

const patch = (operations: unknown) => ({
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

describe('a validating webhook', () => {
  it('refuses in its own words, and is asked about what its rules name only', async () => {
    const { asked, call } = scripted(({ object }) => ({
      allowed: object?.data?.bad === undefined,
      status: { message: 'bad is bad', code: 422, reason: 'Invalid' },
      warnings: ['mind the data'],
    }));
    const { client } = await start(call);
    await configure(client, 'Validating');
    const good = await client.send('POST', maps, { body: map('good') });
    expect(good).toMatchObject({ code: 201, headers: { warning: expect.stringContaining('mind the data') } });
    expect(await client.send('POST', maps, { body: map('bad', { bad: '1' }) })).toMatchObject({
      code: 422,
      body: { message: 'admission webhook "w.g.dev" denied the request: bad is bad', reason: 'Invalid' },
    });
    expect((await client.send('GET', `${maps}/bad`)).code).toBe(404);
    await client.send('DELETE', `${maps}/good`);
    await client.send('POST', '/api/v1/namespaces/default/secrets', {
      body: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } },
    });
    expect(asked.map(({ operation, name }) => `${operation} ${name}`)).toEqual([
      'CREATE good',
      'CREATE bad',
      'DELETE good',
    ]);
  });

  it('that fails refuses, or lets pass where its failurePolicy says Ignore', async () => {
    const { client } = await start(() => Promise.reject(new Error('no route')));
    await configure(client, 'Validating', {
      objectSelector: { matchExpressions: [{ key: 'free', operator: 'DoesNotExist' }] },
    });
    expect(await client.send('POST', maps, { body: map('a') })).toMatchObject({
      code: 500,
      body: { message: expect.stringContaining('failed calling webhook "w.g.dev": no route') },
    });
    const free = { ...map('b'), metadata: { name: 'b', labels: { free: '' } } };
    expect((await client.send('POST', maps, { body: free })).code).toBe(201);
    const type = 'application/json-patch+json';
    const path = `${base}/validatingwebhookconfigurations/w`;
    const body = [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }];
    expect((await client.send('PATCH', path, { type, body })).code).toBe(200);
    expect((await client.send('POST', maps, { body: map('a') })).code).toBe(201);
  });

  it('that does not answer in time has failed', async () => {
    const clock = createFakeClock();
    let waiting = () => {};
    const called = new Promise<void>((resolve) => {
      waiting = resolve;
    });
    const { client } = await start(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          waiting();
        }),
      { clock },
    );
    await configure(client, 'Validating', { timeoutSeconds: 3 });
    const answer = client.send('POST', maps, { body: map('a') });
    await called;
    await clock.advance(3_000);
    expect(await answer).toMatchObject({
      code: 500,
      body: { message: expect.stringContaining('context deadline exceeded') },
    });
  });
});

describe('a mutating webhook', () => {
  it('changes what is stored, and its change is checked as any other', async () => {
    const { call } = scripted(({ object }) => ({
      allowed: true,
      ...(object?.data?.break === undefined
        ? patch([{ op: 'add', path: '/data', value: { by: 'webhook' } }])
        : patch([{ op: 'add', path: '/data', value: { 'no key': 'x' } }])),
    }));
    const { client } = await start(call);
    await configure(client, 'Mutating');
    const made = await client.send('POST', maps, { body: map('a') });
    expect(made).toMatchObject({ code: 201, body: { data: { by: 'webhook' } } });
    expect((await client.send('GET', `${maps}/a`)).body).toMatchObject({ data: { by: 'webhook' } });
    expect((await client.send('POST', maps, { body: map('b', { break: '1' }) })).code).toBe(422);
    const type = 'application/merge-patch+json';
    const changed = await client.send('PATCH', `${maps}/a`, { type, body: { data: { by: 'me' } } });
    expect(changed).toMatchObject({ code: 200, body: { data: { by: 'webhook' } } });
  });

  it('cannot give an object another name', async () => {
    const { call } = scripted(() => ({
      allowed: true,
      ...patch([{ op: 'replace', path: '/metadata/name', value: 'other' }]),
    }));
    const { client } = await start(call);
    await configure(client, 'Mutating');
    expect((await client.send('POST', maps, { body: map('a') })).body).toMatchObject({
      metadata: { name: 'a' },
    });
  });

  it.each([
    ['answers another question', { uid: 'x', allowed: true }],
    ['sends a patch that does not fit', { allowed: true, ...patch([{ op: 'remove', path: '/nothing' }]) }],
    ['sends no patch of JSON', { allowed: true, patchType: 'JSONPatch', patch: 'eA==' }],
  ])('that %s has failed', async (_, response) => {
    const { client } = await start(scripted(() => response).call);
    await configure(client, 'Mutating');
    expect(await client.send('POST', maps, { body: map('a') })).toMatchObject({
      code: 500,
      body: { message: expect.stringContaining('failed calling webhook') },
    });
  });
});

describe('configurations of webhooks', () => {
  it('can always be removed, whatever they say', async () => {
    const { client } = await start(() => Promise.reject(new Error('no route')));
    await configure(client, 'Validating', {
      rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] }],
    });
    expect((await client.send('POST', maps, { body: map('a') })).code).toBe(500);
    expect((await client.send('DELETE', `${base}/validatingwebhookconfigurations/w`)).code).toBe(200);
    expect((await client.send('POST', maps, { body: map('a') })).code).toBe(201);
  });
});

describe('calling a webhook', () => {
  it('believes only the authority it was given', async () => {
    const { server } = await start(callWebhook);
    const { url, ca } = server.target;
    const call = (given: string | undefined) =>
      callWebhook({ url: `${url}/version`, ca: given, body: '{}', signal: AbortSignal.timeout(5_000) });
    await expect(call(ca)).rejects.toThrow(/it answers 40/);
    await expect(call(undefined)).rejects.toThrow(/certificate/);
  });
});
