import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { withRedundancy } from '../../../../src/cluster/recovery/redundancy.ts';
import { host } from '../builders.ts';
import { createHaLab } from './haLab.ts';

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

describe('a cluster whose API server runs on one of its hosts', () => {
  it('says so for as long as that host may run guests', async () => {
    const lab = await createHaLab(['a', 'b', 'c'], 'a');
    await lab.lead();
    await lab.switchOn();
    const policy = () => lab.api.state.get(ClusterPolicy, 'default') as Stored<ClusterPolicy> | undefined;
    const isSaid = () =>
      policy()?.status?.conditions?.some(({ type }) => type === 'ControlPlaneNotRedundant') === true;
    await lab.until('it is said', isSaid);
    const before = lab.api.state.get(Host, 'a') as Stored<Host>;
    lab.api.seed(Host, { ...before, status: { ...before.status, witness: true } });
    await lab.until('it is no longer said', () => !isSaid());
    await lab.resign();
  });

  it('says nothing where it runs elsewhere', async () => {
    const lab = await createHaLab(['a', 'b', 'c'], 'elsewhere');
    await lab.lead();
    await lab.switchOn();
    await lab.advance(5_000);
    const { status } = lab.api.state.get(ClusterPolicy, 'default') as Stored<ClusterPolicy>;
    expect(status?.conditions?.map(({ type }) => type)).not.toContain('ControlPlaneNotRedundant');
    await lab.resign();
  });
});
