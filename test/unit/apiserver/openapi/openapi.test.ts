/** The OpenAPI documents: what kubectl looks up in them, and that every reference leads somewhere. */
import { describe, expect, it } from 'vitest';
import { openApiV2 } from '../../../../src/apiserver/openapi/v2.ts';
import { openApiV3, openApiV3Index } from '../../../../src/apiserver/openapi/v3.ts';
import type { ResourceInfo } from '../../../../src/apiserver/resource.ts';

function resource(overrides: Partial<ResourceInfo> = {}): ResourceInfo {
  return {
    group: 'vireo.dev',
    version: 'v1alpha1',
    kind: 'Thing',
    listKind: 'ThingList',
    plural: 'things',
    singular: 'thing',
    shortNames: [],
    categories: [],
    namespaced: true,
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    schema: {
      type: 'object',
      description: 'A thing.',
      properties: { spec: { type: 'object', properties: { cpu: { type: 'integer', nullable: true } } } },
    },
    subresources: { status: true },
    printerColumns: [],
    selectableFields: [],
    builtin: false,
    ...overrides,
  };
}

const configMap = resource({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  listKind: 'ConfigMapList',
  plural: 'configmaps',
  builtin: true,
});
const gvk = { group: 'vireo.dev', version: 'v1alpha1', kind: 'Thing' };

/** All values of `$ref` in a document. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item] : references(item),
  );
}

/** What a reference points to, or undefined. */
function resolve(document: object, reference: string): unknown {
  const [, ...path] = reference.split('/');
  return path.reduce<unknown>(
    (value, key) => (value as Record<string, unknown> | undefined)?.[key],
    document,
  );
}

describe('the OpenAPI v3 document', () => {
  const document = openApiV3([resource()], 'v1.33.0');
  const object = document.paths['/apis/vireo.dev/v1alpha1/namespaces/{namespace}/things/{name}'];

  it('leads kubectl explain from the path to the schema of the kind', () => {
    expect(document.paths['/apis/vireo.dev/v1alpha1/things']?.get).toMatchObject({
      'x-kubernetes-group-version-kind': gvk,
    });
    const model = document.components.schemas['dev.vireo.v1alpha1.Thing'];
    expect(model).toMatchObject({ 'x-kubernetes-group-version-kind': [gvk], description: 'A thing.' });
    expect(Object.keys(model?.properties as object)).toEqual(['apiVersion', 'kind', 'metadata', 'spec']);
  });

  it('tells kubectl that PATCH takes fieldValidation and dryRun', () => {
    expect(object?.patch).toMatchObject({
      'x-kubernetes-group-version-kind': gvk,
      parameters: expect.arrayContaining([
        expect.objectContaining({ name: 'fieldValidation', in: 'query' }),
        expect.objectContaining({ name: 'dryRun', in: 'query' }),
      ]),
    });
  });

  it('offers strategic merge for built-in kinds only', () => {
    const strategic = 'application/strategic-merge-patch+json';
    const core = openApiV3([configMap], 'v1.33.0').paths['/api/v1/namespaces/{namespace}/configmaps/{name}'];
    expect(core?.patch).toHaveProperty(['requestBody', 'content', strategic]);
    expect(object?.patch).not.toHaveProperty(['requestBody', 'content', strategic]);
  });

  it('has no operation without its verb and no status path without the subresource', () => {
    const reading = openApiV3([resource({ verbs: ['get', 'list'], subresources: {} })], 'v1.33.0').paths;
    const path = '/apis/vireo.dev/v1alpha1/namespaces/{namespace}/things';
    expect(Object.keys(reading[path] ?? {})).toEqual(['get', 'parameters']);
    expect(reading[`${path}/{name}/status`]).toBeUndefined();
  });

  it('keeps the merge keys of metadata for clients that merge', () => {
    const meta = document.components.schemas['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'];
    expect(meta).toHaveProperty(['properties', 'ownerReferences', 'x-kubernetes-patch-merge-key'], 'uid');
  });

  it('refers to nothing that it does not hold', () => {
    const found = references(openApiV3([resource(), configMap], 'v1.33.0'));
    expect(found.length).toBeGreaterThan(5);
    for (const reference of found)
      expect(resolve(openApiV3([resource(), configMap], 'v1'), reference), reference).toBeDefined();
  });
});

describe('the index of the documents', () => {
  it('names each with a hash that changes with the content', () => {
    const index = openApiV3Index([configMap, resource()], ({ version }) => `h-${version}`);
    expect(index.paths).toEqual({
      'api/v1': { serverRelativeURL: '/openapi/v3/api/v1?hash=h-v1' },
      'apis/vireo.dev/v1alpha1': { serverRelativeURL: '/openapi/v3/apis/vireo.dev/v1alpha1?hash=h-v1alpha1' },
    });
  });
});

describe('the OpenAPI v2 document', () => {
  const document = openApiV2([resource(), configMap], 'v1.33.0');

  it('refers to nothing that it does not hold', () => {
    const found = references(document);
    expect(found.length).toBeGreaterThan(5);
    for (const reference of found) expect(resolve(document, reference), reference).toBeDefined();
  });

  it('says nothing that Swagger has no word for', () => {
    expect(JSON.stringify(document)).not.toMatch(/"(nullable|anyOf|oneOf|allOf)"/);
  });
});
