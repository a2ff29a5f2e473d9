import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HAGroup } from '../../../src/api/kinds/haGroup.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { parseBytes } from '../../../src/base/quantity.ts';
import { ApiError } from '../../../src/client/contract.ts';
import { host, labelled, machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';

const GIB = 2 ** 30;
const gib = (count: number) => ({ memory: { size: `${count}Gi` } });

type Lab = ReturnType<typeof createClusterLab>;
const placeOf = (lab: Lab, name: string) => lab.machine(name)?.status?.placement?.host;
const scheduled = (lab: Lab, name: string) =>
  lab.machine(name)?.status?.conditions?.find(({ type }) => type === 'Scheduled');

describe('placing guests', () => {
  it('spreads them, and says of the one too many why it waits', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1'), host('h2'));
    await lab.lead();
    for (const name of ['a', 'b', 'c']) lab.api.seed(VirtualMachine, machine(name, gib(10)));
    await lab.advance(1_000);
    const places = ['a', 'b', 'c'].map((name) => placeOf(lab, name));
    expect(places.filter((place) => place !== undefined).sort()).toEqual(['h1', 'h2']);
    const waits = ['a', 'b', 'c'][places.indexOf(undefined)] ?? '';
    expect(scheduled(lab, waits)).toMatchObject({
      status: 'False',
      reason: 'NoHostFits',
      message: 'h1 has not enough memory left; h2 has not enough memory left',
    });
    await lab.resign();
  });

  it('lets one of a restricted group wait until the group has a host that takes it', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1'));
    const metadata = { name: 'only' };
    const group = (...names: string[]): HAGroup => ({
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'HAGroup',
      metadata,
      spec: { restricted: true, hosts: names.map((name) => ({ name })) },
    });
    lab.api.seed(HAGroup, group('h9'));
    await lab.lead();
    lab.api.seed(VirtualMachine, machine('a', { ha: { group: 'only' } }));
    await lab.advance(1_000);
    expect(scheduled(lab, 'a')?.message).toBe('h1 is not in the restricted HAGroup only');
    await lab.api.mergePatch(HAGroup, metadata, { spec: group('h9', 'h1').spec });
    await lab.advance(1_000);
    expect(placeOf(lab, 'a')).toBe('h1');
    await lab.resign();
  });

  it('places nothing while a host has seen a later control plane, and goes on without that host', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1'), host('h2', { incarnation: 5 }));
    await lab.lead();
    lab.api.seed(VirtualMachine, machine('a'));
    await lab.advance(1_000);
    expect(placeOf(lab, 'a')).toBeUndefined();
    expect(scheduled(lab, 'a')).toMatchObject({ reason: 'ControlPlaneRolledBack' });
    expect(scheduled(lab, 'a')?.message).toContain('h2 has seen a later control plane');
    await lab.api.delete(Host, { name: 'h2' });
    await lab.advance(61_000);
    expect(placeOf(lab, 'a')).toBe('h1');
    await lab.resign();
  });

  it('goes on at once when a guest makes room', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1'));
    await lab.lead();
    lab.api.seed(VirtualMachine, machine('a', gib(10)));
    await lab.advance(1_000);
    lab.api.seed(VirtualMachine, machine('b', gib(10)));
    await lab.advance(1_000);
    expect(placeOf(lab, 'b')).toBeUndefined();
    await lab.api.delete(VirtualMachine, { name: 'a', namespace: 'default' });
    await lab.advance(1_000);
    expect(placeOf(lab, 'b')).toBe('h1');
    await lab.resign();
  });

  it('goes on at once when a host changes so that it fits', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1', {}, { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }), host('h2'));
    await lab.lead();
    lab.api.seed(VirtualMachine, machine('a', { placement: { hostSelector: { disk: 'ssd' } } }));
    await lab.advance(1_000);
    await lab.api.mergePatch(Host, { name: 'h1' }, { metadata: { labels: { disk: 'ssd' } } });
    await lab.advance(1_000);
    expect(placeOf(lab, 'a')).toBeUndefined();
    await lab.editHost('h1', { taints: null });
    expect(placeOf(lab, 'a')).toBe('h1');
    await lab.resign();
  });

  it('keeps apart what is placed in the same moment', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1'), host('h2'), host('h3'));
    await lab.lead();
    const apart = { placement: { keepApart: [{ policy: 'Required', matchLabels: { app: 'db' } }] } } as const;
    const rules = { placement: { keepApart: [...apart.placement.keepApart] } };
    for (const name of ['a', 'b', 'c', 'd'])
      lab.api.seed(VirtualMachine, labelled({ app: 'db' }, machine(name, rules)));
    await lab.advance(1_000);
    const places = ['a', 'b', 'c', 'd'].flatMap((name) => placeOf(lab, name) ?? []);
    expect(places.sort()).toEqual(['h1', 'h2', 'h3']);
    await lab.resign();
  });
});

type Act =
  | { type: 'create'; gib: number }
  | { type: 'delete'; index: number }
  | { type: 'restart' }
  | { type: 'refuse'; writes: number }
  | { type: 'pass'; ms: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('create' as const), gib: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), index: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('refuse' as const), writes: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
  },
);

describe('whatever happens', () => {
  it('no memory is promised twice, and nothing waits for memory that is free', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40 }), async (acts) => {
        let refusing = 0;
        const lab = createClusterLab({
          intercept: ({ verb, kind }) => {
            if (verb !== 'patch' || kind.kind !== 'VirtualMachine' || refusing === 0) return;
            refusing -= 1;
            throw refusing % 2 === 0
              ? new ApiError(409, 'Conflict', 'somebody was faster')
              : new ApiError(500, 'InternalError', 'try again');
          },
        });
        lab.addHosts(host('h1'), host('h2'));
        await lab.lead();
        let made = 0;
        const check = () => {
          const sums = promised(lab);
          for (const [name, bytes] of sums) expect(bytes, name).toBeLessThanOrEqual(16 * GIB);
        };
        for (const step of acts) {
          if (step.type === 'create') lab.api.seed(VirtualMachine, machine(`m${made++}`, gib(step.gib)));
          if (step.type === 'restart') await lab.lead();
          if (step.type === 'refuse') refusing += step.writes;
          if (step.type === 'pass') await lab.advance(step.ms);
          if (step.type === 'delete') {
            const ref = { name: `m${step.index % Math.max(made, 1)}`, namespace: 'default' };
            await lab.api.delete(VirtualMachine, ref).catch(() => undefined);
          }
          check();
        }
        refusing = 0;
        await lab.advance(70_000);
        check();
        const sums = promised(lab);
        const most = 16 * GIB - Math.min(sums.get('h1') ?? 0, sums.get('h2') ?? 0);
        for (const guest of lab.api.state.list(VirtualMachine) as VirtualMachine[]) {
          if (guest.status?.placement === undefined)
            expect(parseBytes(guest.spec.memory.size), guest.metadata.name).toBeGreaterThan(most);
        }
        await lab.resign();
      }),
      { numRuns: 30 },
    );
  });
});

/** What stands in the API, by host. */
function promised(lab: Lab): Map<string, number> {
  const sums = new Map<string, number>();
  for (const guest of lab.api.state.list(VirtualMachine) as VirtualMachine[]) {
    const place = guest.status?.placement?.host;
    if (place !== undefined) sums.set(place, (sums.get(place) ?? 0) + parseBytes(guest.spec.memory.size));
  }
  return sums;
}
