import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../src/apiserver/object.ts';
import { matchesFields, parseFieldSelector } from '../../../src/apiserver/selection/fields.ts';
import { matchesLabels, parseLabelSelector } from '../../../src/apiserver/selection/labels.ts';
import { ApiError } from '../../../src/apiserver/status.ts';

const chosen = (selector: string, labels: Record<string, string>) =>
  matchesLabels(parseLabelSelector(selector), labels);

describe('a label selector', () => {
  it('that is empty chooses everything', () => {
    expect(chosen('', {})).toBe(true);
    expect(chosen('  ', { a: 'b' })).toBe(true);
  });

  it.each([
    ['a=b', { a: 'b' }, true],
    ['a==b', { a: 'c' }, false],
    ['a!=b', {}, true],
    ['a!=b', { a: 'b' }, false],
    ['a', { a: '' }, true],
    ['!a', { a: '' }, false],
    ['a in (x, y)', { a: 'y' }, true],
    ['a in (x,y)', {}, false],
    ['a notin (x,y)', {}, true],
    ['a notin (x)', { a: 'x' }, false],
    ['a in (,x)', { a: '' }, true],
    ['a=', { a: '' }, true],
    ['a=,b', { a: '', b: '1' }, true],
    ['n>5', { n: '6' }, true],
    ['n<5', { n: '6' }, false],
    ['n>5', { n: 'six' }, false],
    ['example.dev/app = web , tier', { 'example.dev/app': 'web', tier: '1' }, true],
    ['constructor', {}, false],
  ])('%s over %j gives %s', (selector, labels, expected) => {
    expect(chosen(selector, labels as Record<string, string>)).toBe(expected);
  });

  it.each([
    'a in x',
    'a in (x',
    'a===b',
    ',',
    'a,',
    '=b',
    'a b',
    'a=b=c',
    'n>x',
    'a=b c',
    '!',
    'a/b/c=d',
    'a in (x y)',
  ])('%s is refused with 400', (selector) => {
    expect(() => parseLabelSelector(selector)).toThrow(ApiError);
  });
});

describe('a field selector', () => {
  const selectable = new Set(['metadata.name', 'spec.host', 'spec.on', 'spec.count']);
  const object = {
    apiVersion: 'v1',
    kind: 'X',
    metadata: { name: 'a' },
    spec: { host: 'h=1', on: true, count: 3 },
  } as KubeObject;
  const matches = (selector: string) => matchesFields(parseFieldSelector(selector, selectable), object);

  it('compares strings, numbers and truths by their text', () => {
    expect(matches('metadata.name=a,spec.on=true,spec.count==3')).toBe(true);
    expect(matches('spec.count!=3')).toBe(false);
  });

  it('reads escaped signs in values', () => {
    expect(matches('spec.host=h\\=1')).toBe(true);
    expect(() => matches('spec.host=h=1')).toThrow(/unescaped/);
  });

  it('takes an absent field for the empty string', () => {
    const bare = { apiVersion: 'v1', kind: 'X', metadata: {} };
    expect(matchesFields(parseFieldSelector('spec.host=', selectable), bare)).toBe(true);
    expect(matchesFields(parseFieldSelector('spec.host!=', selectable), bare)).toBe(false);
  });

  it('refuses fields the kind does not select by', () => {
    expect(() => matches('spec.color=red')).toThrow('field label not supported: spec.color');
    expect(() => matches('nonsense')).toThrow(/invalid selector/);
  });
});
