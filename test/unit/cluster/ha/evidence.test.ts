import { describe, expect, it } from 'vitest';
import type { HostStatus } from '../../../../src/api/kinds/host.ts';
import { isDeadUntold } from '../../../../src/cluster/recovery/evidence.ts';
import { host } from '../builders.ts';

const life = { bootID: 'boot-1-0000', term: 1 };
/** `a` was cut off from its power in that life. */
const fenced: HostStatus = {
  ha: {
    state: 'Fenced',
    life,
    incident: { id: 'i', ...life },
    proof: { kind: 'PowerOff', incident: 'i', ...life, at: '2026-01-01T00:00:00Z' },
  } as NonNullable<HostStatus['ha']>,
};

const isDead = (status: HostStatus) => {
  const found = host('a');
  const stored = { ...found, metadata: { ...found.metadata, uid: 'h', resourceVersion: '1' } };
  return isDeadUntold({ host: 'a', epoch: 1 }, 'u', { ...stored, status: { ...found.status, ...status } });
};

describe('a guest that was not protected when its host was fenced', () => {
  it('runs nowhere as long as the host has not booted since', () => {
    expect(isDead({ ...fenced, bootID: life.bootID })).toBe(true);
  });

  it('may run there again once the host has said that it has: nobody kept it from starting', () => {
    expect(isDead({ ...fenced, bootID: 'boot-2-0000' })).toBe(false);
  });
});
