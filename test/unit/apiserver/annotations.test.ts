import { afterEach, describe, expect, it } from 'vitest';
import type { CallWebhook } from '../../../src/apiserver/admission/webhook.ts';
import type { Audited } from '../../../src/apiserver/audit/event.ts';
import { type Client, createClient } from '../../contract/apiserver/client.ts';
import { startEmbedded } from '../../contract/apiserver/embedded.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const base = '/apis/admissionregistration.k8s.io/v1';
const maps = '/api/v1/namespaces/default/configmaps';
const api = { apiVersion: 'admissionregistration.k8s.io/v1' };
const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
const map = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});

/** A server, and what its audit log is told of the last creation of a map. */
async function start(callWebhook?: CallWebhook) {
  const seen: Audited[] = [];
  const audit = { record: (request: Audited) => void seen.push(request) };
  const server = await startEmbedded({ audit, ...(callWebhook === undefined ? {} : { callWebhook }) });
  closers.push(server.stop);
  const client = createClient(server.target);
  closers.push(() => client.close());
  const noted = async (data: Record<string, string> = {}) => {
    const { code } = await client.send('POST', `${maps}?dryRun=All`, { body: map('a', data) });
    const last = seen.findLast(({ uri }) => uri.startsWith(maps));
    return { code, annotations: Object.fromEntries(last?.annotations ?? []) };
  };
  return { client, noted };
}

async function bind(
  client: Client,
  spec: Record<string, unknown>,
  validationActions: string[],
  bindings: Record<string, unknown>[] = [{}],
) {
  const kind = 'ValidatingAdmissionPolicy';
  const policy = {
    ...api,
    kind,
    metadata: { name: 'sizes.g.dev' },
    spec: { matchConstraints: { resourceRules: [rule] }, ...spec },
  };
  const made = await client.send('POST', `${base}/validatingadmissionpolicies`, { body: policy });
  expect(made.code, made.text).toBe(201);
  for (const [index, more] of bindings.entries()) {
    const body = {
      ...api,
      kind: `${kind}Binding`,
      metadata: { name: `b${index}` },
      spec: { policyName: 'sizes.g.dev', validationActions, ...more },
    };
    expect((await client.send('POST', `${base}/validatingadmissionpolicybindings`, { body })).code).toBe(201);
  }
}

describe('the audit annotations of a policy', () => {
  it('are told with every request it looks at, refused or not; null and blanks are none', async () => {
    const { client, noted } = await start();
    const auditAnnotations = [
      { key: 'size', valueExpression: "'size is ' + object.data.size + ' '" },
      { key: 'nothing', valueExpression: 'null' },
      { key: 'blank', valueExpression: "' '" },
    ];
    const validations = [{ expression: 'int(object.data.size) < 10', message: 'too big' }];
    await bind(client, { auditAnnotations, validations }, ['Deny']);
    const annotations = (size: number) => ({ 'sizes.g.dev/size': `size is ${size}` });
    expect(await noted({ size: '3' })).toEqual({ code: 201, annotations: annotations(3) });
    expect(await noted({ size: '11' })).toEqual({ code: 422, annotations: annotations(11) });
  });

  it('hold each value of several parameters once', async () => {
    const { client, noted } = await start();
    for (const name of ['p1', 'p2', 'p3']) {
      await client.send('POST', maps, { body: map(name, { owner: name === 'p3' ? 'two' : 'one' }) });
    }
    const auditAnnotations = [{ key: 'owner', valueExpression: 'params.data.owner' }];
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
    const by = (name: string) => ({
      paramRef: { name, namespace: 'default', parameterNotFoundAction: 'Deny' },
    });
    await bind(client, { auditAnnotations, paramKind }, ['Audit'], ['p1', 'p2', 'p3'].map(by));
    expect(await noted()).toEqual({ code: 201, annotations: { 'sizes.g.dev/owner': 'one, two' } });
  });

  it('that cannot be told refuse the request whatever the binding does, unless failures are ignored', async () => {
    const auditAnnotations = [{ key: 'size', valueExpression: 'object.data.size' }];
    const strict = await start();
    await bind(strict.client, { auditAnnotations }, ['Warn']);
    expect(await strict.noted()).toEqual({ code: 422, annotations: {} });
    const lenient = await start();
    await bind(lenient.client, { auditAnnotations, failurePolicy: 'Ignore' }, ['Warn']);
    expect(await lenient.noted()).toEqual({ code: 201, annotations: {} });
  });

  it('name the validation that failed where a binding says Audit', async () => {
    const { client, noted } = await start();
    await bind(client, { validations: [{ expression: 'true' }, { expression: 'false', message: 'mind' }] }, [
      'Audit',
    ]);
    const { code, annotations } = await noted();
    expect(code).toBe(201);
    const text = annotations['validation.policy.admission.k8s.io/validation_failure'] ?? '';
    expect(JSON.parse(text)).toEqual([
      {
        message: 'mind',
        policy: 'sizes.g.dev',
        binding: 'b0',
        expressionIndex: 1,
        validationActions: ['Audit'],
      },
    ]);
  });

  it('of a key that is no name are refused with the policy', async () => {
    const { client } = await start();
    const spec = {
      matchConstraints: { resourceRules: [rule] },
      auditAnnotations: [{ key: 'a b', valueExpression: "'x'" }],
    };
    const body = { ...api, kind: 'ValidatingAdmissionPolicy', metadata: { name: 'p' }, spec };
    expect(await client.send('POST', `${base}/validatingadmissionpolicies`, { body })).toMatchObject({
      code: 422,
      text: expect.stringContaining('spec.auditAnnotations[0].key'),
    });
  });
});

describe('the audit annotations of a webhook', () => {
  it('stand under its name, also when it refuses', async () => {
    const { client, noted } = await start(async ({ body }) => {
      const { request } = JSON.parse(body) as { request: { uid: string } };
      return { response: { uid: request.uid, allowed: false, auditAnnotations: { why: 'because' } } };
    });
    const webhooks = [
      {
        name: 'w.g.dev',
        clientConfig: { url: 'https://hooks.g.dev/x' },
        rules: [rule],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ];
    const body = { ...api, kind: 'ValidatingWebhookConfiguration', metadata: { name: 'w' }, webhooks };
    await client.send('POST', `${base}/validatingwebhookconfigurations`, { body });
    expect(await noted()).toEqual({ code: 400, annotations: { 'w.g.dev/why': 'because' } });
  });
});
