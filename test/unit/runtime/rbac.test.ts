import { describe, expect, it } from 'vitest';
import { Lease } from '../../../src/api/core.ts';
import { rbacRules } from '../../../src/runtime/rbac.ts';
import { Guest } from '../client/guests.ts';

const Pool = { ...Guest, kind: 'Pool', plural: 'pools' };

describe('RBAC rules', () => {
  it('allow what the controllers declare, and no more', () => {
    const rules = rbacRules([
      {
        name: 'guests',
        kind: Guest,
        writes: ['status.phase'],
        finalizer: 'vireo.dev/host',
        triggers: [{ kind: Pool }, {}],
        access: [{ kind: Lease, verbs: ['update', 'get'], namespace: 'vireo-system' }],
      },
    ]);
    expect(rules).toEqual({
      cluster: [
        { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
        { apiGroups: ['vireo.dev'], resources: ['guests'], verbs: ['get', 'list', 'watch', 'patch'] },
        { apiGroups: ['vireo.dev'], resources: ['guests/status'], verbs: ['patch'] },
        { apiGroups: ['vireo.dev'], resources: ['pools'], verbs: ['get', 'list', 'watch'] },
      ],
      namespaced: {
        'vireo-system': [
          { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'update'] },
        ],
      },
    });
  });

  it('do not let a controller write what it only reads', () => {
    const { cluster } = rbacRules([{ name: 'images', kind: Guest, writes: [] }]);
    expect(cluster).toContainEqual({
      apiGroups: ['vireo.dev'],
      resources: ['guests'],
      verbs: ['get', 'list', 'watch'],
    });
    expect(cluster.flatMap(({ resources }) => resources)).not.toContain('guests/status');
  });

  it('are the same whatever order the controllers were added in', () => {
    const a = { name: 'a', kind: Guest, writes: ['status.a'] };
    const b = {
      name: 'b',
      kind: Pool,
      writes: ['status'],
      access: [{ kind: Guest, verbs: ['delete'] as const }],
    };
    expect(rbacRules([a, b])).toEqual(rbacRules([b, a]));
  });

  it('name in a namespace only what the cluster-wide rules do not give already', () => {
    const access = [{ kind: Guest, verbs: ['get', 'delete'] as const, namespace: 'vireo-system' }];
    const { namespaced } = rbacRules([{ name: 'a', kind: Guest, writes: [], access }]);
    expect(namespaced['vireo-system']).toEqual([
      { apiGroups: ['vireo.dev'], resources: ['guests'], verbs: ['delete'] },
    ]);
  });
});
