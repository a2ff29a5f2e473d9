import { describe, expect, it } from 'vitest';
import { withRedundancy } from '../../../../src/cluster/recovery/redundancy.ts';
import { host } from '../builders.ts';

const AT = { now: 0, generation: 1 };
const said = (...[embeddedOn, hosts]: [string | undefined, Parameters<typeof withRedundancy>[2]]) =>
  withRedundancy([], embeddedOn, hosts, AT).find(({ type }) => type === 'ControlPlaneNotRedundant');

describe('an API server', () => {
  const [a, b, witness] = [host('a'), host('b'), host('w', { witness: true })];

  it('on a host that may run guests is lost with them, which is said', () => {
    expect(said('a', [a, b])).toMatchObject({ status: 'True', reason: 'EmbeddedOnGuestHost' });
    expect(said('a', [a, b])?.message).toContain('when a is lost');
  });

  it('on a witness, elsewhere, or beside the one host there is, is not spoken of', () => {
    expect(said('w', [a, b, witness])).toBeUndefined();
    expect(said(undefined, [a, b])).toBeUndefined();
    expect(said('a', [a])).toBeUndefined();
  });

  it('that has moved to a witness is no longer spoken of', () => {
    const before = withRedundancy([], 'a', [a, b], AT);
    expect(withRedundancy(before, 'w', [a, b, witness], AT)).toEqual([]);
  });
});
