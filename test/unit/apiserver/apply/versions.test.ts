/** Field owners across versions whose fields have other names, without a server: who keeps, takes and loses what. */
import { describe, expect, it } from 'vitest';
import { type ApplyInput, serverSideApply } from '../../../../src/apiserver/apply/apply.ts';
import { updateManagedFields } from '../../../../src/apiserver/apply/managers.ts';
import { rootType } from '../../../../src/apiserver/apply/typing.ts';
import type { Versions } from '../../../../src/apiserver/apply/versions.ts';
import type { KubeObject } from '../../../../src/apiserver/object.ts';
import type { JsonSchema } from '../../../../src/schema/contract.ts';

const schemaOf = (size: string): JsonSchema => ({
  type: 'object',
  properties: {
    spec: { type: 'object', properties: { [size]: { type: 'integer' }, color: { type: 'string' } } },
  },
});
const schemas: { [apiVersion: string]: JsonSchema } = {
  'g.dev/v1': schemaOf('size'),
  'g.dev/v2': schemaOf('amount'),
};

/** `size` is called `amount` in v2. While sets are computed an object may have lost all of its spec. */
function convert(object: KubeObject, apiVersion: string): KubeObject {
  if (object.spec === undefined) return { ...object, apiVersion };
  const { size, amount, ...rest } = object.spec as { size?: number; amount?: number };
  const count = size ?? amount;
  const named = count === undefined ? {} : { [apiVersion === 'g.dev/v2' ? 'amount' : 'size']: count };
  return { ...object, apiVersion, spec: { ...rest, ...named } };
}

const versionsOf = (served: readonly string[]): Versions => ({
  formOf: (apiVersion) => apiVersion,
  typeOf: (apiVersion) => {
    const schema = schemas[apiVersion];
    return schema !== undefined && served.includes(apiVersion) ? rootType(schema) : undefined;
  },
  convert,
});
const both = versionsOf(['g.dev/v1', 'g.dev/v2']);

const thing = (version: 'v1' | 'v2', spec: Record<string, unknown>): KubeObject => ({
  apiVersion: `g.dev/${version}`,
  kind: 'Thing',
  metadata: { name: 'a' },
  spec,
});

function apply(applied: KubeObject, manager: string, live?: KubeObject, more: Partial<ApplyInput> = {}) {
  return serverSideApply({
    schema: schemas[applied.apiVersion] ?? {},
    applied,
    ...(live === undefined ? {} : { live: convert(live, applied.apiVersion) }),
    manager,
    force: false,
    time: '2026-01-01T00:00:00Z',
    versions: both,
    ...more,
  });
}

function applied(...args: Parameters<typeof apply>): KubeObject {
  const result = apply(...args);
  if (!result.ok) throw new Error(`unexpected conflicts: ${JSON.stringify(result.conflicts)}`);
  return result.object;
}

const owners = ({ metadata }: KubeObject) =>
  (metadata.managedFields ?? []).map(({ manager, apiVersion, fieldsV1 }) => [
    manager,
    apiVersion,
    Object.keys(fieldsV1?.['f:spec'] ?? {}),
  ]);

describe('fields owned in one version of a kind', () => {
  it('are in the way of who applies them through another, under their own names', () => {
    const live = applied(thing('v1', { size: 3 }), 'one');
    expect(apply(thing('v2', { amount: 4 }), 'two', live)).toMatchObject({
      ok: false,
      conflicts: [{ manager: 'one', field: '.spec.size' }],
    });
    expect(apply(thing('v2', { amount: 3 }), 'two', live)).toMatchObject({ ok: true });
  });

  it('are taken by force, and by whoever just writes', () => {
    const live = applied(thing('v1', { size: 3, color: 'red' }), 'one');
    expect(owners(applied(thing('v2', { amount: 4 }), 'two', live, { force: true }))).toEqual([
      ['one', 'g.dev/v1', ['f:color']],
      ['two', 'g.dev/v2', ['f:amount']],
    ]);
    const before = convert(live, 'g.dev/v2');
    const after = { ...before, spec: { color: 'red', amount: 4 } };
    const managedFields = updateManagedFields({
      schema: schemas['g.dev/v2'] ?? {},
      before,
      after,
      manager: 'editor',
      time: '2026-01-02T00:00:00Z',
      versions: both,
    });
    expect(owners({ ...after, metadata: { managedFields } })).toEqual([
      ['one', 'g.dev/v1', ['f:color']],
      ['editor', 'g.dev/v2', ['f:amount']],
    ]);
  });

  it('go when their only owner no longer applies them through another, and stay while somebody else owns them', () => {
    const mine = applied(thing('v1', { size: 3, color: 'red' }), 'one');
    expect(applied(thing('v2', { color: 'red' }), 'one', mine).spec).toEqual({ color: 'red' });
    const ours = applied(thing('v2', { amount: 3 }), 'two', mine);
    expect(applied(thing('v2', { color: 'red' }), 'one', ours).spec).toEqual({ color: 'red', amount: 3 });
  });

  it('are owned no longer once their version is not served', () => {
    const live = applied(thing('v1', { size: 3, color: 'red' }), 'one');
    const versions = versionsOf(['g.dev/v2']);
    const next = applied(thing('v2', { amount: 4 }), 'two', live, { versions });
    expect(owners(next)).toEqual([['two', 'g.dev/v2', ['f:amount']]]);
    expect(next.spec).toEqual({ amount: 4, color: 'red' });
  });
});
