/** Strategic merge patch: lists by key, lists of scalars, directives, and order as kubectl apply asks for it. */
import { describe, expect, it } from 'vitest';
import { PatchError } from '../../../../src/apiserver/patch/error.ts';
import { applyStrategicMergePatch } from '../../../../src/apiserver/patch/strategic.ts';
import type { KindSchema } from '../../../../src/apiserver/resource.ts';

const byKey = (key: string, properties: { [name: string]: KindSchema }): KindSchema => ({
  type: 'array',
  'x-kubernetes-patch-strategy': 'merge',
  'x-kubernetes-patch-merge-key': key,
  items: { type: 'object', properties },
});
const schema: KindSchema = {
  type: 'object',
  properties: {
    secrets: byKey('name', { name: { type: 'string' }, mode: { type: 'string' }, env: byKey('key', {}) }),
    plain: { type: 'array', items: { type: 'object' } },
    hosts: { type: 'array', items: { type: 'string' }, 'x-kubernetes-patch-strategy': 'merge' },
    strategy: { type: 'object', 'x-kubernetes-patch-strategy': 'retainKeys', properties: {} },
    whole: { type: 'object', 'x-kubernetes-patch-strategy': 'replace', properties: {} },
  },
};

const patched = (object: unknown, patch: unknown) => applyStrategicMergePatch(schema, object, patch);

describe('a strategic merge patch', () => {
  it('merges list items by their key and appends new ones', () => {
    const before = { secrets: [{ name: 'a', mode: 'ro' }, { name: 'b' }] };
    const patch = { secrets: [{ name: 'c' }, { name: 'a', mode: 'rw' }] };
    expect(patched(before, patch)).toEqual({
      secrets: [{ name: 'a', mode: 'rw' }, { name: 'b' }, { name: 'c' }],
    });
    expect(before.secrets[0]).toEqual({ name: 'a', mode: 'ro' });
  });

  it('merges lists inside of list items', () => {
    const before = { secrets: [{ name: 'a', env: [{ key: 'x', value: 1 }] }] };
    const patch = { secrets: [{ name: 'a', env: [{ key: 'y' }, { key: 'x', value: null }] }] };
    expect(patched(before, patch)).toEqual({ secrets: [{ name: 'a', env: [{ key: 'x' }, { key: 'y' }] }] });
  });

  it('replaces a list whose schema does not say merge', () => {
    expect(patched({ plain: [{ a: 1 }] }, { plain: [{ b: 2 }] })).toEqual({ plain: [{ b: 2 }] });
  });

  it('unites lists of scalars and removes by directive', () => {
    const patch = { hosts: ['b', 'c'], '$deleteFromPrimitiveList/hosts': ['a'] };
    expect(patched({ hosts: ['a', 'b'] }, patch)).toEqual({ hosts: ['b', 'c'] });
  });

  it('merges finalizers and owner references without being told', () => {
    const own = (uid: string) => ({ apiVersion: 'v1', kind: 'K', name: uid, uid });
    const before = { metadata: { finalizers: ['a'], ownerReferences: [own('1')] } };
    const patch = {
      metadata: { finalizers: ['b'], ownerReferences: [{ $patch: 'delete', uid: '1' }, own('2')] },
    };
    expect(patched(before, patch)).toEqual({
      metadata: { finalizers: ['a', 'b'], ownerReferences: [own('2')] },
    });
  });

  it('deletes an item, replaces a list, replaces and empties an object by directive', () => {
    const before = { secrets: [{ name: 'a' }, { name: 'b' }], strategy: { type: 'x', max: 1 } };
    expect(patched(before, { secrets: [{ $patch: 'delete', name: 'a' }] })).toMatchObject({
      secrets: [{ name: 'b' }],
    });
    expect(patched(before, { secrets: [{ $patch: 'replace' }, { name: 'z' }] })).toMatchObject({
      secrets: [{ name: 'z' }],
    });
    expect(patched(before, { strategy: { $patch: 'replace', type: 'y' } })).toMatchObject({
      strategy: { type: 'y' },
    });
    expect(patched(before, { strategy: { $patch: 'delete' } })).toMatchObject({ strategy: {} });
  });

  it('replaces an object whose schema says so', () => {
    expect(patched({ whole: { a: 1 } }, { whole: { b: 2, c: null } })).toEqual({ whole: { b: 2 } });
  });

  it('keeps only the keys that $retainKeys lists', () => {
    const before = { strategy: { type: 'Rolling', rolling: { max: 1 } } };
    const patch = { strategy: { $retainKeys: ['type'], type: 'Recreate' } };
    expect(patched(before, patch)).toEqual({ strategy: { type: 'Recreate' } });
  });

  it('puts items into the order of $setElementOrder, items only the server has before what they preceded', () => {
    const before = { secrets: [{ name: 'srv' }, { name: 'a' }, { name: 'b' }] };
    const patch = {
      '$setElementOrder/secrets': [{ name: 'b' }, { name: 'c' }, { name: 'a' }],
      secrets: [{ name: 'c' }],
    };
    const names = (patched(before, patch) as typeof before).secrets.map(({ name }) => name);
    expect(names).toEqual(['srv', 'b', 'c', 'a']);
  });

  it('reorders a list that the patch does not name otherwise', () => {
    const patch = { '$setElementOrder/hosts': ['b', 'a'] };
    expect(patched({ hosts: ['a', 'b'] }, patch)).toEqual({ hosts: ['b', 'a'] });
  });

  it('stores neither directives nor nulls where there was nothing to merge with', () => {
    const patch = { strategy: { $patch: 'merge', type: 'x', max: null }, '$setElementOrder/hosts': [] };
    expect(patched({}, patch)).toEqual({ strategy: { type: 'x' } });
    expect(patched({}, { secrets: [{ name: 'a', mode: null }] })).toEqual({ secrets: [{ name: 'a' }] });
  });

  it.each([
    [{ strategy: { $patch: 'frob' } }, 400],
    [[], 400],
    [{ secrets: [{ mode: 'ro' }] }, 422],
    [{ strategy: { $retainKeys: [], type: 'x' } }, 422],
    [{ strategy: { $retainKeys: 'type' } }, 400],
    [{ '$deleteFromPrimitiveList/hosts': 'a' }, 400],
  ])('is refused: %j', (patch, code) => {
    let thrown: unknown;
    try {
      patched({ strategy: {} }, patch);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(PatchError);
    expect(thrown).toMatchObject({ code });
  });
});
