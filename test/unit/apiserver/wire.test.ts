import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../src/apiserver/status.ts';
import { negotiate, parseAccept } from '../../../src/apiserver/wire/accept.ts';
import { decodeBody, decodeJson, decodeYaml } from '../../../src/apiserver/wire/decode.ts';
import { scanJson } from '../../../src/apiserver/wire/duplicates.ts';
import { targetOf } from '../../../src/apiserver/wire/target.ts';

describe('the target of a path', () => {
  it.each([
    ['/api/v1/namespaces', { group: '', resource: 'namespaces' }],
    ['/api/v1/namespaces/a', { resource: 'namespaces', name: 'a' }],
    ['/api/v1/namespaces/a/finalize', { resource: 'namespaces', name: 'a', subresource: 'finalize' }],
    ['/api/v1/namespaces/a/configmaps', { resource: 'configmaps', namespace: 'a' }],
    ['/api/v1/namespaces/a/configmaps/b', { resource: 'configmaps', namespace: 'a', name: 'b' }],
    [
      '/apis/g.dev/v1/namespaces/a/things/b/status',
      { group: 'g.dev', namespace: 'a', name: 'b', subresource: 'status' },
    ],
    ['/apis/g.dev/v1/things/b/', { group: 'g.dev', resource: 'things', name: 'b' }],
    ['/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode', { name: 'system:node' }],
  ])('%s', (path, expected) => {
    expect(targetOf(path)).toMatchObject({ type: 'resource', ...expected });
  });

  it.each(['/', '/api', '/api/v1', '/apis/g.dev/v1', '/healthz', '/openapi/v3/api/v1'])(
    '%s is no resource',
    (path) => {
      expect(targetOf(path)).toEqual({ type: 'path', path });
    },
  );

  it.each(['/api/v1/a/b/c/d', '/api/v1/namespaces/a/b/c/d/e', '/api/v1/%ff', '/api/v1//a'])(
    '%s is malformed',
    (path) => {
      expect(targetOf(path)).toBeUndefined();
    },
  );
});

describe('an Accept header', () => {
  it('chooses the first form that the server can write', () => {
    const kubectl =
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';
    expect(negotiate(kubectl)).toEqual({ encoding: 'json', shape: 'Table', version: 'v1' });
    expect(negotiate('application/vnd.kubernetes.protobuf,application/json')).toMatchObject({
      shape: 'Object',
    });
    expect(negotiate(undefined)).toMatchObject({ encoding: 'json', shape: 'Object' });
    expect(negotiate('application/json;as=Nothing;v=v1;g=meta.k8s.io,application/yaml')).toMatchObject({
      encoding: 'yaml',
    });
  });

  it('orders by quality and drops what is not wanted', () => {
    expect(parseAccept('a/b;q=0.1, c/d, e/f;q=0').map(({ type }) => type)).toEqual(['c/d', 'a/b']);
    expect(() => negotiate('text/html')).toThrow(ApiError);
  });
});

describe('a JSON body', () => {
  it('shows keys written twice, however they are spelt', () => {
    expect(scanJson('{"a":1,"b":{"c":1,"c":2},"d":[{"e":1},{"e":1,"\\u0065":2}],"a":3}').duplicates).toEqual([
      'b.c',
      'd[1].e',
      'a',
    ]);
    expect(scanJson('{"a":"x,{\\"a\\":1}","b":["a","a"],"c":{"a":1}}').duplicates).toEqual([]);
  });

  it('is refused before its nesting can exhaust the stack', () => {
    expect(() => decodeJson(Buffer.from('['.repeat(100_000)))).toThrow(/nested deeper/);
  });

  it('that is broken is refused with 400', () => {
    expect(() => decodeJson(Buffer.from('{"a":}'))).toThrow(ApiError);
  });
});

describe('a YAML body', () => {
  it('becomes the same as its JSON', async () => {
    const { value } = await decodeYaml(Buffer.from('a: [1, yes, null]\nb: {c: 2026-01-01}\n'));
    expect(value).toEqual({ a: [1, 'yes', null], b: { c: '2026-01-01' } });
  });

  it('cannot grow beyond bounds by aliases', async () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${Array(10).fill(`*l${level}`).join(',')}]`,
    );
    const bomb = ['l0: &l0 [x,x,x,x,x,x,x,x,x,x]', ...levels].join('\n');
    await expect(decodeYaml(Buffer.from(bomb))).rejects.toThrow(/too many/);
  });
});

describe('a protobuf body', () => {
  // Made by k8s.io/apimachinery v0.33.4 and k8s.io/api v0.33.4 (runtime/serializer/protobuf).
  const secret =
    'azhzAAoMCgJ2MRIGU2VjcmV0EjMKHwoBcxIAGgJucyIAKgAyADgAQgBaCgoDYXBwEgN3ZWISBgoBcBIBcRoGT3BhcXVlKAEaACIA';

  it('of a built-in kind is read as its JSON would be', async () => {
    const { value } = await decodeBody(Buffer.from(secret, 'base64'), 'application/vnd.kubernetes.protobuf');
    expect(value).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's', namespace: 'ns', labels: { app: 'web' } },
      data: { p: 'cQ==' },
      type: 'Opaque',
      immutable: true,
    });
  });

  it('of a certificate request is read with all that a client may say', async () => {
    const request =
      'azhzAAozChZjZXJ0aWZpY2F0ZXMuazhzLmlvL3YxEhlDZXJ0aWZpY2F0ZVNpZ25pbmdSZXF1ZXN0EpwBChQKBGphbmUSABoAIgAqADIAOABCABJQCgNyZXESAXUaAWkiAWciAWgqC2NsaWVudCBhdXRoKhFkaWdpdGFsIHNpZ25hdHVyZTILCgFrEgYKAXYKAXc6DWV4YW1wbGUuY29tL3hA2AQaMgoqCghBcHByb3ZlZBIBchoBbSIICIDiz6oGEAAqCAiA4s+qBhAAMgRUcnVlEgRjZXJ0GgAiAA==';
    const { value } = await decodeBody(Buffer.from(request, 'base64'), 'application/vnd.kubernetes.protobuf');
    const at = '2023-11-14T22:13:20Z';
    expect(value).toEqual({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'jane' },
      spec: {
        request: Buffer.from('req').toString('base64'),
        signerName: 'example.com/x',
        expirationSeconds: 600,
        usages: ['client auth', 'digital signature'],
        username: 'u',
        uid: 'i',
        groups: ['g', 'h'],
      },
      status: {
        certificate: Buffer.from('cert').toString('base64'),
        conditions: [
          {
            type: 'Approved',
            status: 'True',
            reason: 'r',
            message: 'm',
            lastUpdateTime: at,
            lastTransitionTime: at,
          },
        ],
      },
    });
  });

  it.each([
    ['cut off', Buffer.from(secret, 'base64').subarray(0, 30)],
    ['something else', Buffer.from('hello')],
    ['of broken lengths', Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(20, 0xff)])],
  ])('that is %s is refused with 400', async (_, bytes) => {
    await expect(decodeBody(bytes, 'application/vnd.kubernetes.protobuf')).rejects.toThrow(ApiError);
  });
});
