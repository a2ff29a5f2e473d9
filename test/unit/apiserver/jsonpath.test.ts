import { describe, expect, it } from 'vitest';
import { compileJsonPath, selectJsonPath } from '../../../src/apiserver/selection/jsonpath.ts';

const object = {
  metadata: { labels: { 'app.kubernetes.io/name': 'web' } },
  spec: {
    disks: [
      { name: 'root', size: 5 },
      { name: 'data', size: 20, tags: ['a', 'b'] },
    ],
  },
  status: {
    conditions: [
      { type: 'Other', status: 'False' },
      { type: 'Ready', status: 'True' },
    ],
  },
};

describe('a JSONPath of a printer column', () => {
  it.each([
    ['.spec.disks[0].name', ['root']],
    ['.spec.disks[-1].name', ['data']],
    ['.spec.disks[*].name', ['root', 'data']],
    ['.spec.disks[0:1].name', ['root']],
    ['.spec.disks[0,1].size', [5, 20]],
    ['.spec.disks[9].name', []],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    ["{.status.conditions[?(@.type=='Ready')].status}", ['True']],
    ['.status.conditions[?(@.type != "Ready")].status', ['False']],
    ['.spec.disks[?(@.size>10)].name', ['data']],
    ['.spec.disks[?(@.tags)].name', ['data']],
    ['.metadata.labels.app\\.kubernetes\\.io/name', ['web']],
    ["$.metadata.labels['app.kubernetes.io/name']", ['web']],
    ['..tags[0]', ['a']],
    ['.nothing.here', []],
    ['.constructor', []],
  ])('%s leads to %j', (path, expected) => {
    expect(selectJsonPath(compileJsonPath(path), object)).toEqual(expected);
  });

  it.each(['.a[', '.a[?(@.b==)]', '.a[x]', '.a[1'])('%s is refused', (path) => {
    expect(() => compileJsonPath(path)).toThrow();
  });
});
