import { describe, expect, it } from 'vitest';
import { FILTERS, type Filter } from '../../../src/cluster/placement/filters.ts';
import { createLine } from '../../../src/cluster/placement/line.ts';
import { host, machine } from './builders.ts';
import { createHostsOnPaper } from './hostsOnPaper.ts';

/** The real filters, counting how often they are asked about a host itself. */
function countingFilters() {
  const counts = { asked: 0 };
  const filters = FILTERS.map((filter): Filter => {
    if (filter.sees === 'Promises') return filter;
    const refuse: typeof filter.refuse = (offer, shape) => {
      counts.asked += 1;
      return filter.refuse(offer, shape);
    };
    return { ...filter, refuse };
  });
  return { counts, filters, ofHost: FILTERS.filter(({ sees }) => sees === 'Host').length };
}

const manyHosts = (count: number) => Array.from({ length: count }, (_, index) => host(`h${index}`));

describe('the work of the scheduler', () => {
  it('is one look at each host for guests alike, however many', () => {
    const { counts, filters, ofHost } = countingFilters();
    const paper = createHostsOnPaper(manyHosts(50), filters);
    for (let index = 0; index < 200; index += 1) paper.put(machine(`m${index}`));
    expect(counts.asked).toBe(50 * ofHost);
  });

  it('is one look at the one host that changed', () => {
    const { counts, filters, ofHost } = countingFilters();
    const paper = createHostsOnPaper(manyHosts(50), filters);
    paper.put(machine('first'));
    counts.asked = 0;
    paper.report(host('h7', { qemu: '9.0', inventoryAt: '2026-02-02T00:00:00Z' }));
    paper.put(machine('second'));
    expect(counts.asked).toBe(0);
    paper.report(host('h7', {}, { labels: { disk: 'ssd' } }));
    for (const name of ['third', 'fourth']) paper.put(machine(name));
    expect(counts.asked).toBe(ofHost);
  });

  it('does not grow in memory with shapes that never come back', () => {
    const { counts, filters, ofHost } = countingFilters();
    const paper = createHostsOnPaper([host('h1')], filters);
    for (let index = 0; index < 300; index += 1)
      paper.put(machine(`m${index}`, { placement: { hostSelector: { key: String(index) } } }));
    counts.asked = 0;
    paper.put(machine('again', { placement: { hostSelector: { key: '0' } } }));
    expect(counts.asked).toBeGreaterThan(0);
    expect(counts.asked).toBeLessThanOrEqual(ofHost);
  });
});

describe('guests that wait', () => {
  const small = machine('small', { memory: { size: '1Gi' } });
  const large = machine('large', { memory: { size: '12Gi' } });

  it('are woken as many as the host can take, and nobody for whom it is too small or wrong', () => {
    const paper = createHostsOnPaper([host('h1')]);
    const line = createLine(paper.scheduler);
    const elsewhere = machine('elsewhere', { placement: { host: 'h2' } });
    for (let index = 0; index < 10; index += 1) line.join(`small/${index}`, paper.scheduler.want(small));
    line.join('large', paper.scheduler.want(large));
    line.join('elsewhere', paper.scheduler.want(elsewhere));
    paper.promise('h1', 13 * 2 ** 30);
    expect(line.candidates('h1')).toEqual(['small/0', 'small/1', 'small/2']);
    expect(line.candidates('h2')).toEqual([]);
    paper.promise('h1', 2 * 2 ** 30);
    expect(line.candidates('h1')).toContain('large');
  });

  it('are not woken once they have left', () => {
    const paper = createHostsOnPaper([host('h1')]);
    const line = createLine(paper.scheduler);
    line.join('small', paper.scheduler.want(small));
    line.leave('small');
    expect(line.candidates('h1')).toEqual([]);
  });
});
