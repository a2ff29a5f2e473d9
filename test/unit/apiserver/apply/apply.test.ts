/** Server-side apply told in its own words, and what the recordings cannot show: purity, tolerance, refusals. */
import { describe, expect, it } from 'vitest';
import { type ApplyInput, serverSideApply } from '../../../../src/apiserver/apply/apply.ts';
import { updateManagedFields } from '../../../../src/apiserver/apply/managers.ts';
import { cloneJson, type KubeObject } from '../../../../src/apiserver/object.ts';
import { PatchError } from '../../../../src/apiserver/patch/error.ts';
import type { JsonSchema } from '../../../../src/schema/contract.ts';

const schema: JsonSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        cpu: { type: 'integer' },
        memory: { type: 'string' },
        disks: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', properties: { name: { type: 'string' }, size: { type: 'integer' } } },
        },
      },
    },
    status: { type: 'object', properties: { phase: { type: 'string' } } },
  },
};

const early = '2026-01-01T00:00:00Z';
const later = '2026-01-02T00:00:00Z';

function guest(spec: unknown, rest: Partial<KubeObject> = {}): KubeObject {
  return { apiVersion: 'vireo.dev/v1alpha1', kind: 'Guest', metadata: { name: 'a' }, spec, ...rest };
}

/** The object after an apply that must succeed. */
function applied(input: Partial<ApplyInput> & { applied: KubeObject }): KubeObject {
  const result = serverSideApply({ schema, manager: 'flux', force: false, time: early, ...input });
  if (!result.ok) throw new Error(`unexpected conflicts: ${JSON.stringify(result.conflicts)}`);
  return result.object;
}

function refusal(config: unknown): unknown {
  try {
    return serverSideApply({
      schema,
      applied: config as KubeObject,
      manager: 'flux',
      force: false,
      time: early,
    });
  } catch (error) {
    return error;
  }
}

describe('server-side apply', () => {
  it('returns an equal object with the old times when nothing changes, so that nothing is written', () => {
    const live = applied({ applied: guest({ cpu: 2, disks: [{ name: 'root', size: 10 }] }) });
    const again = applied({
      live,
      applied: guest({ cpu: 2, disks: [{ name: 'root', size: 10 }] }),
      time: later,
    });
    expect(again).toEqual(live);
    expect(again).not.toBe(live);
  });

  it('never changes what it was given, nor shares parts with it', () => {
    const live = applied({ applied: guest({ cpu: 2, disks: [{ name: 'root', size: 10 }] }) });
    const config = guest({ memory: '1Gi', disks: [{ name: 'root', size: 20 }] });
    const copies = [cloneJson(live), cloneJson(config)];
    const after = applied({ live, applied: config, time: later });
    (after.spec as { disks: { size: number }[] }).disks.forEach((disk) => {
      disk.size = 99;
    });
    expect([live, config]).toEqual(copies);
  });

  it('names the manager and the field of a conflict as kube-apiserver does', () => {
    const before = guest({ cpu: 2, disks: [{ name: 'root', size: 10 }] });
    const managedFields = updateManagedFields({
      schema,
      after: before,
      manager: 'kubectl-client-side-apply',
      time: early,
    });
    const live = { ...before, metadata: { ...before.metadata, managedFields } };
    const config = guest({ disks: [{ name: 'root', size: 20 }] });
    const result = serverSideApply({
      schema,
      live,
      applied: config,
      manager: 'flux',
      force: false,
      time: later,
    });
    expect(result).toEqual({
      ok: false,
      conflicts: [
        {
          manager: 'kubectl-client-side-apply',
          field: '.spec.disks[name="root"].size',
          message: 'conflict with "kubectl-client-side-apply" using vireo.dev/v1alpha1',
        },
      ],
    });
  });

  it('leaves status to the status subresource', () => {
    const live = { ...applied({ applied: guest({ cpu: 2 }) }), status: { phase: 'Running' } };
    const after = applied({ live, applied: guest({ cpu: 3 }, { status: { phase: 'Stolen' } }), time: later });
    expect(after.status).toEqual({ phase: 'Running' });
    expect(JSON.stringify(after.metadata.managedFields)).not.toContain('f:status');
  });

  it('applies status like any field where the kind does not serve it on its own', () => {
    const config = guest({ cpu: 2 }, { status: { phase: 'Up' } });
    const after = applied({ applied: config, servesStatus: false });
    expect(after.status).toEqual({ phase: 'Up' });
    expect(JSON.stringify(after.metadata.managedFields)).toContain('f:phase');
  });

  it('lives with fields that an older schema let in', () => {
    const live = applied({ applied: guest({ cpu: 2 }) });
    const old = { ...live, spec: { cpu: 2, gone: { a: [1] } } };
    expect(applied({ live: old, applied: guest({ cpu: 3 }), time: later }).spec).toEqual({
      cpu: 3,
      gone: { a: [1] },
    });
  });

  it('follows a list that has become atomic', () => {
    const live = applied({ applied: guest({ disks: [{ name: 'root' }] }) });
    const atomic = cloneJson(schema);
    delete atomic.properties?.spec?.properties?.disks?.['x-kubernetes-list-type'];
    const after = applied({
      schema: atomic,
      live,
      applied: guest({ disks: [{ name: 'data' }] }),
      time: later,
    });
    expect(after.spec).toEqual({ disks: [{ name: 'data' }] });
    expect(after.metadata.managedFields?.[0]?.fieldsV1).toEqual({ 'f:spec': { 'f:disks': {} } });
  });

  it('cannot be used to reach the prototype', () => {
    const config = JSON.parse(
      '{"apiVersion":"vireo.dev/v1alpha1","kind":"Guest","metadata":{"name":"a","labels":{"__proto__":"x"}}}',
    );
    const after = applied({ applied: config as KubeObject });
    expect(Object.keys(after.metadata.labels ?? {})).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(after.metadata.labels)).toBe(Object.prototype);
  });

  it.each([
    [guest({ cpus: 1 }), '.spec.cpus: field not declared in schema'],
    [guest({ cpu: 'two' }), '.spec.cpu: expected numeric'],
    [guest({ memory: { a: 1 } }), '.spec.memory: expected string'],
    [guest({ disks: { a: 1 } }), '.spec.disks: expected list'],
    [guest([]), '.spec: expected map'],
    [guest({ disks: [{ name: 'a' }, { name: 'a' }] }), '.spec.disks: duplicate entries for key [name="a"]'],
    [
      guest({ disks: [{ size: 1 }] }),
      '.spec.disks: element 0: associative list with keys has an element that omits',
    ],
    [guest({}, { metadata: { name: 'a', managedFields: [] } }), 'metadata.managedFields must be nil'],
  ])('refuses a configuration that cannot be merged: %j', (config, message) => {
    const error = refusal(config);
    expect(error).toBeInstanceOf(PatchError);
    expect(error).toMatchObject({ code: 400, message: expect.stringContaining(message) });
  });
});

describe('managedFields of other writes', () => {
  it('are handed back untouched by a write that changes nothing', () => {
    const live = applied({ applied: guest({ cpu: 2 }) });
    const same = updateManagedFields({
      schema,
      before: live,
      after: cloneJson(live),
      manager: 'x',
      time: later,
    });
    expect(same).toEqual(live.metadata.managedFields);
  });

  it('never name a change of status made through the main resource, or of spec through status', () => {
    const before = applied({ applied: guest({ cpu: 2 }) });
    const after = { ...before, spec: { cpu: 9 }, status: { phase: 'x' } };
    const main = updateManagedFields({ schema, before, after, manager: 'm', time: later });
    expect(main.find(({ manager }) => manager === 'm')?.fieldsV1).toEqual({ 'f:spec': { 'f:cpu': {} } });
    const status = updateManagedFields({
      schema,
      before,
      after,
      manager: 'm',
      subresource: 'status',
      time: later,
    });
    expect(status.find(({ manager }) => manager === 'm')).toMatchObject({
      subresource: 'status',
      fieldsV1: { 'f:status': { '.': {}, 'f:phase': {} } },
    });
  });

  it('go to "unknown" when the request names no manager', () => {
    const fields = updateManagedFields({ schema, after: guest({ cpu: 1 }), manager: '', time: early });
    expect(fields.map(({ manager }) => manager)).toEqual(['unknown']);
  });
});
