/** JSON patch and merge patch: what comes out, what is refused with which code, and that nothing given is changed. */
import { describe, expect, it } from 'vitest';
import { PatchError } from '../../../../src/apiserver/patch/error.ts';
import { applyJsonPatch } from '../../../../src/apiserver/patch/json.ts';
import { applyMergePatch } from '../../../../src/apiserver/patch/merge.ts';

const guest = () => ({ metadata: { name: 'a', labels: { tier: 'web' } }, spec: { cpu: 2, disks: ['root'] } });

function codeOf(action: () => unknown): number | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof PatchError) return error.code;
    throw error;
  }
}

describe('a JSON patch', () => {
  it('applies its operations in order and leaves the object as it was', () => {
    const before = guest();
    const after = applyJsonPatch(before, [
      { op: 'test', path: '/spec/cpu', value: 2 },
      { op: 'replace', path: '/spec/cpu', value: 4 },
      { op: 'add', path: '/spec/disks/-', value: 'data' },
      { op: 'remove', path: '/metadata/labels/tier' },
    ]);
    expect(after).toEqual({ metadata: { name: 'a', labels: {} }, spec: { cpu: 4, disks: ['root', 'data'] } });
    expect(before).toEqual(guest());
  });

  it('never writes into the values of its own operations', () => {
    const ops = [
      { op: 'add', path: '/spec/limits', value: {} },
      { op: 'add', path: '/spec/limits/memory', value: '1Gi' },
    ];
    expect(applyJsonPatch(guest(), ops)).toMatchObject({ spec: { limits: { memory: '1Gi' } } });
    expect(ops[0]).toEqual({ op: 'add', path: '/spec/limits', value: {} });
  });

  it('is refused with 422 when a test fails or a path is missing', () => {
    expect(codeOf(() => applyJsonPatch(guest(), [{ op: 'test', path: '/spec/cpu', value: 3 }]))).toBe(422);
    expect(codeOf(() => applyJsonPatch(guest(), [{ op: 'remove', path: '/spec/memory' }]))).toBe(422);
    expect(codeOf(() => applyJsonPatch(guest(), [{ op: 'add', path: '/a/b/c', value: 1 }]))).toBe(422);
    expect(codeOf(() => applyJsonPatch(guest(), [{ op: 'frob', path: '/spec' }]))).toBe(422);
    expect(codeOf(() => applyJsonPatch(guest(), [{ path: '/spec' }]))).toBe(422);
  });

  it('may replace a field that is absent, as kube-apiserver lets it', () => {
    expect(applyJsonPatch({ spec: {} }, [{ op: 'replace', path: '/spec/memory', value: 1 }])).toEqual({
      spec: { memory: 1 },
    });
  });

  it('is refused with 400 when it is no list of operations', () => {
    expect(codeOf(() => applyJsonPatch(guest(), { spec: {} }))).toBe(400);
    expect(codeOf(() => applyJsonPatch(guest(), [1]))).toBe(400);
    expect(codeOf(() => applyJsonPatch(guest(), Array(10_001).fill({ op: 'remove', path: '/spec' })))).toBe(
      400,
    );
  });

  it('cannot reach the prototype', () => {
    const patch = [{ op: 'add', path: '/__proto__/polluted', value: true }];
    expect(codeOf(() => applyJsonPatch(guest(), patch))).toBe(422);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('a merge patch', () => {
  it('merges objects, replaces lists, and takes null for removal', () => {
    const before = guest();
    const patch = {
      metadata: { labels: { tier: null, zone: 'b' } },
      spec: { disks: ['x'], net: { mac: null, ip: '1' } },
    };
    expect(applyMergePatch(before, patch)).toEqual({
      metadata: { name: 'a', labels: { zone: 'b' } },
      spec: { cpu: 2, disks: ['x'], net: { ip: '1' } },
    });
    expect(before).toEqual(guest());
  });

  it('replaces what is no object by one', () => {
    expect(applyMergePatch({ spec: 'text' }, { spec: { a: 1, b: null } })).toEqual({ spec: { a: 1 } });
  });

  it('shares no part with the patch', () => {
    const patch = { spec: { disks: [{ name: 'a' }] } };
    const after = applyMergePatch<Record<string, Record<string, unknown>>>({}, patch);
    expect(after).toEqual(patch);
    expect(after.spec?.disks).not.toBe(patch.spec.disks);
  });

  it('keeps a key named __proto__ as plain data', () => {
    const patch: unknown = JSON.parse('{"data":{"__proto__":{"polluted":"yes"}}}');
    const after = applyMergePatch({}, patch);
    expect(JSON.stringify(after)).toBe('{"data":{"__proto__":{"polluted":"yes"}}}');
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });

  it('is refused with 400 when it is no object', () => {
    expect(codeOf(() => applyMergePatch(guest(), []))).toBe(400);
    expect(codeOf(() => applyMergePatch(guest(), null))).toBe(400);
  });
});
