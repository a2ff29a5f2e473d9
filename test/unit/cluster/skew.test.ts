/** Agents and managers of neighbouring versions work together; further apart they say so. */
import { describe, expect, it } from 'vitest';
import { isCompatible, PROTOCOL_VERSION } from '../../../src/api/cluster.ts';
import type { Host } from '../../../src/api/kinds/host.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { readiness } from '../../../src/cluster/hosts/hosts.ts';

const host = (protocolVersion: number | undefined): Stored<Host> => ({
  apiVersion: 'vireo.dev/v1alpha1',
  kind: 'Host',
  metadata: { name: 'h', uid: 'u', resourceVersion: '1' },
  spec: {},
  status: {
    conditions: [
      {
        type: 'AgentReady',
        status: 'True',
        reason: 'Running',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
    ...(protocolVersion === undefined ? {} : { protocolVersion }),
  },
});

describe('versions of agent and manager', () => {
  it('may differ by one, either way', () => {
    expect([4, 5, 6, 7, 8].map((theirs) => isCompatible(theirs, 6))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(isCompatible(Number.NaN)).toBe(false);
  });

  it('further apart make the host not Ready, and say which one to upgrade', () => {
    expect(readiness(host(PROTOCOL_VERSION + 1), true)).toMatchObject({ status: 'True' });
    expect(readiness(host(undefined), true)).toMatchObject({ status: 'True' });
    expect(readiness(host(PROTOCOL_VERSION + 2), true)).toMatchObject({
      status: 'False',
      reason: 'VersionSkew',
    });
  });
});
