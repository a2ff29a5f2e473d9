/** Conversion webhooks: each version sees the objects in its own shape, whatever shape they lie in; a webhook that fails says so. */
import { afterEach, describe, expect, it } from 'vitest';
import type { CallWebhook } from '../../../src/apiserver/admission/webhook.ts';
import { type Client, createClient } from '../../contract/apiserver/client.ts';
import { startEmbedded } from '../../contract/apiserver/embedded.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const doors = (version: string) => `/apis/g.dev/${version}/namespaces/default/doors`;

const text = { type: 'string' };
const specs = {
  v1: { address: text },
  v2: { host: text, port: { type: 'integer' }, color: { type: 'string', default: 'red' } },
};

/** v1 has `address: host:port`, v2 has the two apart and a default of its own. */
function definition(storage: 'v1' | 'v2', conversion: unknown = webhookAt('https://hooks.g.dev/convert')) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'doors.g.dev' },
    spec: {
      group: 'g.dev',
      scope: 'Namespaced',
      names: { plural: 'doors', kind: 'Door' },
      conversion,
      versions: (['v1', 'v2'] as const).map((name) => ({
        name,
        served: true,
        storage: name === storage,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: specs[name] } },
          },
        },
        selectableFields: [{ jsonPath: name === 'v1' ? '.spec.address' : '.spec.host' }],
      })),
    },
  };
}

const webhookAt = (url: string) => ({
  strategy: 'Webhook',
  webhook: { clientConfig: { url }, conversionReviewVersions: ['v1'] },
});

type Door = {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown>;
  spec: Record<string, unknown>;
};
type Review = { request: { uid: string; desiredAPIVersion: string; objects: Door[] } };

function convert(door: Door, apiVersion: string): Door {
  if (door.apiVersion === apiVersion) return door;
  const { address, host, port } = door.spec;
  const [name, number] = String(address).split(':');
  const spec =
    apiVersion === 'g.dev/v1' ? { address: `${host}:${port}` } : { host: name, port: Number(number) };
  return { ...door, apiVersion, spec };
}

/** An honest webhook, unless `spoil` makes something else of its response. */
function webhook() {
  const asked: string[] = [];
  let spoil = (response: Record<string, unknown>): unknown => response;
  const call: CallWebhook = async ({ url, body }) => {
    const { request } = JSON.parse(body) as Review;
    asked.push(`${url} ${request.objects.length} to ${request.desiredAPIVersion}`);
    const convertedObjects = request.objects.map((door) => convert(door, request.desiredAPIVersion));
    return { response: spoil({ uid: request.uid, result: { status: 'Success' }, convertedObjects }) };
  };
  const spoilWith = (change: typeof spoil) => {
    spoil = change;
  };
  return { asked, call, spoilWith };
}

async function start(storage: 'v1' | 'v2' = 'v2') {
  const hook = webhook();
  const server = await startEmbedded({ callWebhook: hook.call });
  closers.push(server.stop);
  const client = createClient(server.target);
  closers.push(() => client.close());
  expect(await client.send('POST', definitions, { body: definition(storage) })).toMatchObject({ code: 201 });
  return { ...hook, client, server };
}

const create = (client: Client, version: 'v1' | 'v2', name: string, spec: Record<string, unknown>) =>
  client.send('POST', doors(version), {
    body: { apiVersion: `g.dev/${version}`, kind: 'Door', metadata: { name }, spec },
  });

describe('objects of a definition with a conversion webhook', () => {
  it('are written in one version and read, listed and selected in the other', async () => {
    const { client, asked } = await start();
    expect(await create(client, 'v1', 'a', { address: 'north:80' })).toMatchObject({
      code: 201,
      body: { apiVersion: 'g.dev/v1', spec: { address: 'north:80' } },
    });
    expect(asked).toEqual(['https://hooks.g.dev/convert 1 to g.dev/v2']);
    expect((await client.send('GET', `${doors('v2')}/a`)).body).toMatchObject({
      apiVersion: 'g.dev/v2',
      spec: { host: 'north', port: 80, color: 'red' },
    });
    expect(asked).toHaveLength(1);
    await create(client, 'v2', 'b', { host: 'south', port: 81 });
    expect((await client.send('GET', doors('v1'))).body).toMatchObject({
      items: [
        { apiVersion: 'g.dev/v1', metadata: { name: 'a' }, spec: { address: 'north:80' } },
        { apiVersion: 'g.dev/v1', metadata: { name: 'b' }, spec: { address: 'south:81' } },
      ],
    });
    expect(asked.slice(1)).toEqual(['https://hooks.g.dev/convert 2 to g.dev/v1']);
    const chosen = await client.send('GET', `${doors('v1')}?fieldSelector=spec.address%3Dsouth:81`);
    expect(chosen.body).toMatchObject({ items: [{ metadata: { name: 'b' } }] });
    expect(chosen.body).toHaveProperty('items.length', 1);
  });

  it('keep identity, generation and revision through updates in either version', async () => {
    const { client } = await start();
    const made = (await create(client, 'v2', 'a', { host: 'north', port: 80 })).body as Door;
    const type = 'application/merge-patch+json';
    const body = { spec: { address: 'north:8080' } };
    const changed = (await client.send('PATCH', `${doors('v1')}/a`, { type, body })).body as Door;
    expect(changed).toMatchObject({
      metadata: { uid: made.metadata.uid, generation: 2 },
      spec: { address: 'north:8080' },
    });
    const same = await client.send('PATCH', `${doors('v1')}/a`, { type, body });
    expect(same.body).toMatchObject({ metadata: { resourceVersion: changed.metadata.resourceVersion } });
    expect((await client.send('GET', `${doors('v2')}/a`)).body).toMatchObject({
      metadata: { resourceVersion: changed.metadata.resourceVersion },
      spec: { host: 'north', port: 8080 },
    });
  });

  it('are applied in one version and deleted in the other', async () => {
    const { client } = await start();
    const type = 'application/apply-patch+yaml';
    const apply = (spec: Record<string, unknown>) =>
      client.send('PATCH', `${doors('v1')}/a?fieldManager=me`, {
        type,
        body: { apiVersion: 'g.dev/v1', kind: 'Door', metadata: { name: 'a' }, spec },
      });
    expect(await apply({ address: 'north:80' })).toMatchObject({ code: 201 });
    expect(await apply({ address: 'north:90' })).toMatchObject({
      code: 200,
      body: { spec: { address: 'north:90' } },
    });
    expect((await client.send('DELETE', `${doors('v2')}/a`)).code).toBe(200);
    expect((await client.send('GET', `${doors('v1')}/a`)).code).toBe(404);
  });

  it('are watched in the version asked for, in order', async () => {
    const { client } = await start();
    const first = (await create(client, 'v2', 'a', { host: 'north', port: 80 })).body as Door;
    const since = String(first.metadata.resourceVersion);
    const watch = client.send('GET', `${doors('v1')}?watch=true&resourceVersion=${since}&timeoutSeconds=1`);
    await create(client, 'v2', 'b', { host: 'south', port: 81 });
    await create(client, 'v1', 'c', { address: 'west:82' });
    await client.send('DELETE', `${doors('v2')}/a`);
    const events = (await watch).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; object: Door })
      .map(({ type, object }) => [type, object.apiVersion, object.metadata.name, object.spec.address]);
    expect(events).toEqual([
      ['ADDED', 'g.dev/v1', 'b', 'south:81'],
      ['ADDED', 'g.dev/v1', 'c', 'west:82'],
      ['DELETED', 'g.dev/v1', 'a', 'north:80'],
    ]);
    const whole = await client.send('GET', `${doors('v1')}?watch=true&timeoutSeconds=1`);
    expect(whole.text).toContain('"address":"south:81"');
  });

  it('move to another storage version by a write that changes nothing', async () => {
    const { client, asked } = await start('v1');
    await create(client, 'v1', 'a', { address: 'north:80' });
    const stored = (await client.send('GET', `${definitions}/doors.g.dev`)).body as { metadata: object };
    const moved = { ...definition('v2'), metadata: stored.metadata };
    expect(await client.send('PUT', `${definitions}/doors.g.dev`, { body: moved })).toMatchObject({
      code: 200,
    });
    expect(asked).toEqual([]);
    const type = 'application/merge-patch+json';
    expect((await client.send('PATCH', `${doors('v2')}/a`, { type, body: {} })).code).toBe(200);
    expect(asked).toEqual(['https://hooks.g.dev/convert 1 to g.dev/v2']);
    expect((await client.send('GET', `${doors('v2')}/a`)).body).toMatchObject({ spec: { host: 'north' } });
    expect(asked).toHaveLength(1);
  });

  it('are as they were when the webhook fails, which every request is told', async () => {
    const { client, spoilWith } = await start();
    await create(client, 'v2', 'a', { host: 'north', port: 80 });
    const refused = async (wanted: string) => {
      expect(await client.send('GET', `${doors('v1')}/a`)).toMatchObject({
        code: 500,
        body: { kind: 'Status', message: `conversion webhook for g.dev/v2, Kind=Door ${wanted}` },
      });
    };
    spoilWith(() => {
      throw new Error('no route');
    });
    await refused('failed: Post "https://hooks.g.dev/convert": no route');
    spoilWith((response) => ({ ...response, result: { status: 'Failure', message: 'not today' } }));
    await refused('failed: not today');
    spoilWith((response) => ({ ...response, convertedObjects: [] }));
    await refused('returned 0 objects, expected 1');
    spoilWith((response) => ({ ...response, uid: 'other' }));
    expect((await client.send('GET', `${doors('v1')}/a`)).text).toMatch(/expected response.uid=/);
    const change = (fields: Partial<Door>) => (response: Record<string, unknown>) => ({
      ...response,
      convertedObjects: (response.convertedObjects as Door[]).map((door) => ({ ...door, ...fields })),
    });
    spoilWith(change({ apiVersion: 'g.dev/v2' }));
    await refused(
      'returned invalid converted object at index 0: invalid groupVersion (expected g.dev/v1, received g.dev/v2)',
    );
    spoilWith(change({ metadata: { name: 'b', namespace: 'default' } }));
    await refused('returned invalid metadata at index 0: metadata.name must not change: b != a');
    expect((await create(client, 'v1', 'c', { address: 'west:82' })).code).toBe(500);
    const list = await client.send('GET', `${doors('v1')}?watch=true&timeoutSeconds=1`);
    expect(list.text).toMatch(/"type":"ERROR".*conversion webhook for/);
    expect((await client.send('GET', doors('v2'))).body).toMatchObject({
      items: [{ metadata: { name: 'a' } }],
    });
    // Objects go in the version they lie in, so a webhook that is gone does not hold the definition.
    expect((await client.send('DELETE', `${definitions}/doors.g.dev`)).code).toBe(200);
    await expect
      .poll(async () => (await client.send('GET', `${definitions}/doors.g.dev`)).code, { timeout: 10_000 })
      .toBe(404);
  });
});

describe('the conversion of a definition', () => {
  it.each<[string, unknown, RegExp]>([
    ['of another strategy', { strategy: 'Magic' }, /supported values: ..None.., ..Webhook../],
    ['by a webhook nobody knows', { strategy: 'Webhook' }, /clientConfig: Required value/],
    ['to a plain URL', webhookAt('http://hooks.g.dev'), /must be an https URL/],
    [
      'by an old review',
      {
        strategy: 'Webhook',
        webhook: { clientConfig: { url: 'https://a' }, conversionReviewVersions: ['v1beta1'] },
      },
      /must include at least one of v1/,
    ],
    ['with a webhook and no use for it', { ...webhookAt('https://a'), strategy: 'None' }, /Forbidden/],
  ])('%s is refused', async (_name, conversion, why) => {
    const server = await startEmbedded();
    closers.push(server.stop);
    const client = createClient(server.target);
    closers.push(() => client.close());
    const answer = await client.send('POST', definitions, { body: definition('v2', conversion) });
    expect(answer.code).toBe(422);
    expect(answer.text).toMatch(why);
  });

  it('by a Service is taken, and what needs it says which URL to set', async () => {
    const server = await startEmbedded();
    closers.push(server.stop);
    const client = createClient(server.target);
    closers.push(() => client.close());
    const service = { namespace: 'system', name: 'hooks', path: '/convert' };
    const conversion = {
      strategy: 'Webhook',
      webhook: { clientConfig: { service }, conversionReviewVersions: ['v1'] },
    };
    await client.send('POST', definitions, { body: definition('v2', conversion) });
    expect((await create(client, 'v2', 'a', { host: 'north', port: 80 })).code).toBe(201);
    expect(await client.send('GET', `${doors('v1')}/a`)).toMatchObject({
      code: 500,
      body: {
        message: expect.stringMatching(
          /service "hooks" not found: .*clientConfig\.url.*https:\/\/.*\/convert/,
        ),
      },
    });
  });
});
