import { describe, expect, it } from 'vitest';
import { gathered } from '../../../../src/apiserver/access/rbac/gather.ts';
import { allows, missingRules } from '../../../../src/apiserver/access/rbac/rules.ts';
import type { ResourceTarget } from '../../../../src/apiserver/wire/target.ts';

const target = (resource: string, rest: Partial<ResourceTarget> = {}): ResourceTarget => ({
  type: 'resource',
  path: '',
  group: '',
  version: 'v1',
  resource,
  ...rest,
});
const rule = (
  verbs: string[],
  resources: string[],
  rest: { resourceNames?: string[]; apiGroups?: string[] } = {},
) => ({
  apiGroups: [''],
  verbs,
  resources,
  ...rest,
});

describe('a rule', () => {
  it('allows its verbs on its resources in its groups, and nothing else', () => {
    const read = rule(['get', 'list'], ['secrets']);
    expect(allows(read, 'get', target('secrets'))).toBe(true);
    expect(allows(read, 'watch', target('secrets'))).toBe(false);
    expect(allows(read, 'get', target('configmaps'))).toBe(false);
    expect(allows(read, 'get', target('secrets', { group: 'other.dev' }))).toBe(false);
  });

  it('does not reach subresources unless it names them', () => {
    const write = rule(['update'], ['guests']);
    expect(allows(write, 'update', target('guests', { subresource: 'status' }))).toBe(false);
    expect(
      allows(rule(['update'], ['guests/status']), 'update', target('guests', { subresource: 'status' })),
    ).toBe(true);
    expect(
      allows(rule(['update'], ['*/status']), 'update', target('guests', { subresource: 'status' })),
    ).toBe(true);
    expect(allows(rule(['update'], ['*/status']), 'update', target('guests'))).toBe(false);
  });

  it('with names allows those objects only, so no list and no create', () => {
    const one = rule(['get', 'list', 'create'], ['secrets'], { resourceNames: ['a'] });
    expect(allows(one, 'get', target('secrets', { name: 'a' }))).toBe(true);
    expect(allows(one, 'get', target('secrets', { name: 'b' }))).toBe(false);
    expect(allows(one, 'list', target('secrets'))).toBe(false);
  });

  it('on paths matches ends with a star only', () => {
    const paths = { verbs: ['get'], nonResourceURLs: ['/api/*', '/version'] };
    expect(allows(paths, 'get', { type: 'path', path: '/api/v1' })).toBe(true);
    expect(allows(paths, 'get', { type: 'path', path: '/version' })).toBe(true);
    expect(allows(paths, 'get', { type: 'path', path: '/versions' })).toBe(false);
    expect(allows(paths, 'get', target('secrets'))).toBe(false);
  });
});

describe('what somebody would give out without having it', () => {
  it('is nothing when several of his rules together hold it', () => {
    const owned = [rule(['get'], ['secrets', 'configmaps']), rule(['list'], ['*'])];
    expect(missingRules(owned, [rule(['get', 'list'], ['secrets'])])).toEqual([]);
  });

  it('is told verb by verb', () => {
    expect(missingRules([rule(['get'], ['secrets'])], [rule(['get', 'delete'], ['secrets'])])).toEqual([
      { verbs: ['delete'], apiGroups: [''], resources: ['secrets'] },
    ]);
  });

  it('includes all objects where he has one, and "everything" where he has much', () => {
    const one = rule(['get'], ['secrets'], { resourceNames: ['a'] });
    expect(missingRules([one], [rule(['get'], ['secrets'])])).toHaveLength(1);
    expect(missingRules([rule(['get'], ['secrets'])], [one])).toEqual([]);
    expect(missingRules([rule(['get', 'list'], ['secrets'])], [rule(['*'], ['secrets'])])).toHaveLength(1);
    expect(missingRules([rule(['get'], ['secrets/x'])], [rule(['get'], ['secrets'])])).toHaveLength(1);
  });

  it('is not counted without end for a role made to keep the server busy', () => {
    const many = Array.from({ length: 2000 }, (_, index) => `x${index}`);
    const owned = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }];
    expect(missingRules(owned, [{ verbs: many, apiGroups: many, resources: many }])).toBeUndefined();
  });
});

describe('a role that gathers', () => {
  const labelled = (name: string, labels: { [key: string]: string }, resources: string[]) => ({
    apiVersion: '',
    kind: '',
    metadata: { name, labels },
    rules: [rule(['get'], resources)],
  });
  const gatherer = (selector: object) => ({
    apiVersion: '',
    kind: '',
    metadata: { name: 'all' },
    aggregationRule: { clusterRoleSelectors: [selector] },
  });
  const roles = [
    labelled('b', { to: 'x' }, ['two']),
    labelled('a', { to: 'x' }, ['one']),
    labelled('c', { to: 'y' }, ['no']),
  ];

  it('takes the rules of the roles its selectors match, by name, each once', () => {
    const twice = [...roles, labelled('d', { to: 'x' }, ['one'])];
    expect(
      gathered(gatherer({ matchLabels: { to: 'x' } }), twice)?.flatMap(({ resources }) => resources),
    ).toEqual(['one', 'two']);
    const selector = { matchExpressions: [{ key: 'to', operator: 'NotIn', values: ['x'] }] };
    expect(gathered(gatherer(selector), roles)).toHaveLength(1);
  });

  it('takes nothing by a selector it cannot read', () => {
    expect(
      gathered(gatherer({ matchExpressions: [{ key: 'to', operator: 'Like', values: ['x'] }] }), roles),
    ).toEqual([]);
  });
});
