import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HostStatus } from '../../../src/api/kinds/host.ts';
import type { VirtualMachineSpec } from '../../../src/api/kinds/virtualMachine.ts';
import { choiceOf } from '../../../src/cluster/placement/choose.ts';
import { type Candidate, createColumns } from '../../../src/cluster/placement/columns.ts';
import { host, labelled, machine } from './builders.ts';
import { createHostsOnPaper } from './hostsOnPaper.ts';

const candidate = (name: string) => ({
  offer: { name },
  allocated: { cpus: 0, memoryBytes: 0, guests: 0, changes: 0 },
});

/** Columns over hosts whose rate is what they have left, and how often one was asked. */
function countingColumns() {
  const counts = { asked: 0 };
  const columns = createColumns<Candidate>();
  const best = (key: string | undefined, candidates: readonly Candidate[]) =>
    columns.best(key, candidates, ({ allocated }) => {
      counts.asked += 1;
      return 1 - allocated.guests / 10;
    })?.offer.name;
  return { counts, best };
}

describe('the rates of hosts', () => {
  it('are asked for once a kind of guests, and again only where something has changed', () => {
    const { counts, best } = countingColumns();
    const hosts = ['a', 'b', 'c'].map(candidate);
    const [a] = hosts;
    expect([best('small', hosts), best('small', hosts), counts.asked]).toEqual(['a', 'a', 3]);
    expect([best('large', hosts), counts.asked]).toEqual(['a', 6]);
    if (a !== undefined) Object.assign(a.allocated, { guests: 1, changes: 1 });
    expect([best('small', hosts), counts.asked]).toEqual(['b', 7]);
  });

  it('are asked for anew of another list of hosts, and of a guest that is like no other', () => {
    const { counts, best } = countingColumns();
    const hosts = ['a', 'b'].map(candidate);
    best('small', hosts);
    best('small', [...hosts]);
    expect(counts.asked).toBe(4);
    best(undefined, hosts);
    best(undefined, hosts);
    expect(counts.asked).toBe(8);
  });

  it('are not kept of kinds that never come back', () => {
    const { counts, best } = countingColumns();
    const hosts = [candidate('a')];
    for (let index = 0; index < 300; index += 1) best(String(index), hosts);
    best('0', hosts);
    expect(counts.asked).toBe(301);
  });
});

const NAMES = ['h0', 'h1', 'h2', 'h3'] as const;
const app = { app: 'web' };
const LINUX: NonNullable<HostStatus['images']> = [{ name: 'linux', state: 'Available' }];

/** One thing that happens: a guest comes or leaves, or a host says something new. */
const happening = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('comes' as const),
      name: fc.nat(11),
      spec: fc.constantFrom<Partial<VirtualMachineSpec>>(
        { memory: { size: '1Gi' } },
        { memory: { size: '3Gi' } },
        { memory: { size: '1Gi' }, cpu: { cores: 4 } },
        { memory: { size: '1Gi' }, placement: { keepApart: [{ policy: 'Preferred', matchLabels: app }] } },
        { memory: { size: '1Gi' }, placement: { hostSelector: { disk: 'ssd' } } },
        { disks: [{ name: 'root', pool: 'local', source: { image: { name: 'linux' } } }] },
      ),
      labels: fc.constantFrom({}, app),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('leaves' as const), name: fc.nat(11) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('says' as const),
      host: fc.constantFrom(...NAMES),
      spec: fc.constantFrom({}, { unschedulable: true }, { reserved: { memory: '12Gi' } }),
      labels: fc.constantFrom({}, { disk: 'ssd' }),
      images: fc.constantFrom([], LINUX),
    }),
  },
);

it('what is kept of earlier guests never makes another choice than asking each host would', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), (story) => {
      const paper = createHostsOnPaper(NAMES.map((name) => host(name)));
      for (const event of story) {
        if (event.type === 'says') {
          paper.report(
            host(event.host, { images: event.images }, { labels: event.labels, spec: event.spec }),
          );
        } else if (event.type === 'leaves') {
          paper.leave(machine(`m${event.name}`));
        } else {
          const guest = labelled(event.labels, machine(`m${event.name}`, event.spec));
          const asked = choiceOf(paper.scheduler.judge(guest));
          expect(paper.put(guest)).toEqual(asked);
        }
      }
    }),
  );
});
