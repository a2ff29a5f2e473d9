import { describe, expect, test } from 'vitest';
import { compileSchema } from '../../../src/schema/compile.ts';
import type { JsonSchema } from '../../../src/schema/contract.ts';
import { integer, list, named, object, text } from './builders.ts';

const prune = (schema: JsonSchema, value: unknown) => {
  const copy = structuredClone(value);
  const removed = compileSchema(schema).prune(copy);
  return { removed, left: copy };
};
const defaulted = (schema: JsonSchema, value: unknown) => {
  const copy = structuredClone(value);
  compileSchema(schema).applyDefaults(copy);
  return copy;
};

describe('pruning', () => {
  test('takes out what the schema does not name, anywhere, and says where', () => {
    const schema = object({ spec: object({ disks: named({ size: text }) }) });
    expect(prune(schema, { spec: { disks: [{ name: 'a', sise: '1Gi' }], x: { y: 1 } }, zzz: 1 })).toEqual({
      removed: ['spec.disks[0].sise', 'spec.x', 'zzz'],
      left: { spec: { disks: [{ name: 'a' }] } },
    });
  });

  test('leaves what every resource has, at the root and in embedded resources only', () => {
    const resource = { apiVersion: 'v1', kind: 'K', metadata: { name: 'a', labels: { x: 'y' } } };
    const embedded = object({}, { 'x-kubernetes-embedded-resource': true });
    const schema = object({ spec: object({ template: embedded, plain: object({}) }) });
    const { removed, left } = prune(schema, {
      ...resource,
      spec: { template: resource, plain: { ...resource } },
    });
    expect(removed).toEqual(['spec.plain.apiVersion', 'spec.plain.kind', 'spec.plain.metadata']);
    expect(left).toEqual({ ...resource, spec: { template: resource, plain: {} } });
  });

  test('keeps unknown fields where the schema says so, but not inside named fields', () => {
    const schema = object({ known: object({ a: text }) }, { 'x-kubernetes-preserve-unknown-fields': true });
    expect(prune(schema, { other: { b: 1 }, known: { a: 'x', b: 1 } })).toEqual({
      removed: ['known.b'],
      left: { other: { b: 1 }, known: { a: 'x' } },
    });
  });

  test('keeps the entries of maps and prunes in them', () => {
    const schema = object({ m: { type: 'object', additionalProperties: object({ a: text }) } });
    expect(prune(schema, { m: { one: { a: 'x', b: 1 } } }).left).toEqual({ m: { one: { a: 'x' } } });
  });

  test('takes a field called __proto__ or constructor for what it is: unknown', () => {
    const value: unknown = JSON.parse('{"__proto__": {"a": 1}, "constructor": 1}');
    expect(compileSchema(object({})).prune(value)).toEqual(['__proto__', 'constructor']);
  });
});

describe('defaulting', () => {
  test('fills absent fields, below others and in items, and leaves what is there', () => {
    const schema = object({
      cpus: { type: 'integer', default: 2 },
      machine: object({ type: { type: 'string', default: 'q35' } }, { default: {} }),
      disks: named({ bus: { type: 'string', default: 'virtio' } }),
    });
    expect(defaulted(schema, { disks: [{ name: 'a' }, { name: 'b', bus: 'scsi' }] })).toEqual({
      cpus: 2,
      machine: { type: 'q35' },
      disks: [
        { name: 'a', bus: 'virtio' },
        { name: 'b', bus: 'scsi' },
      ],
    });
  });

  test('replaces null where null is not allowed, and only there', () => {
    const field = { type: 'integer', default: 2 };
    const schema = object({ a: field, b: { ...field, nullable: true }, c: list(integer) });
    expect(defaulted(schema, { a: null, b: null })).toEqual({ a: 2, b: null });
  });

  test('gives each object its own copy', () => {
    const compiled = compileSchema(object({ l: list(text, { default: ['a'] }) }));
    const first: { l?: string[] } = {};
    const second: { l?: string[] } = {};
    compiled.applyDefaults(first);
    first.l?.push('b');
    compiled.applyDefaults(second);
    expect(second.l).toEqual(['a']);
  });
});
