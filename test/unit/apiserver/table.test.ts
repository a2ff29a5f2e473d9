import { describe, expect, it } from 'vitest';
import { eventKind } from '../../../src/apiserver/kinds/event.ts';
import { ageOf, humanDuration } from '../../../src/apiserver/table/age.ts';
import { customColumns } from '../../../src/apiserver/table/columns.ts';

const s = 1000;
const m = 60 * s;
const h = 60 * m;
const d = 24 * h;

describe('an age', () => {
  it.each([
    [5 * s, '5s'],
    [119 * s, '119s'],
    [3 * m + 20 * s, '3m20s'],
    [5 * m, '5m'],
    [45 * m, '45m'],
    [3 * h + 5 * m, '3h5m'],
    [20 * h, '20h'],
    [3 * d + 4 * h, '3d4h'],
    [100 * d, '100d'],
    [800 * d, '2y70d'],
    [-500, '0s'],
    [-5 * s, '<invalid>'],
  ])('of %d ms is %s', (ms, expected) => {
    expect(humanDuration(ms)).toBe(expected);
  });

  it('of nothing is unknown', () => {
    expect(ageOf(undefined, 0)).toBe('<unknown>');
    expect(ageOf('yesterday', 0)).toBe('<invalid>');
  });
});

describe('the columns of a custom resource', () => {
  const nowMs = Date.UTC(2026, 0, 1, 0, 5);
  const object = {
    apiVersion: 'g.dev/v1',
    kind: 'X',
    metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { size: 3.7, on: true, tags: ['a', 'b'], deep: { x: 1 } },
  };
  const cells = (type: 'integer' | 'number' | 'string' | 'boolean' | 'date', jsonPath: string) =>
    customColumns({ printerColumns: [{ name: 'C', type, jsonPath }] }).map((column) =>
      column.cell(object, nowMs),
    );

  it('are the name, then what is declared', () => {
    expect(cells('integer', '.spec.size')).toEqual(['a', 3]);
    expect(cells('number', '.spec.size')).toEqual(['a', 3.7]);
    expect(cells('boolean', '.spec.on')).toEqual(['a', true]);
    expect(cells('string', '.spec.deep')).toEqual(['a', '{"x":1}']);
    expect(cells('string', '.spec.tags[*]')).toEqual(['a', 'a b']);
    expect(cells('date', '.metadata.creationTimestamp')).toEqual(['a', '5m']);
  });

  it('are empty where the value is missing or of another type', () => {
    expect(cells('string', '.spec.none')).toEqual(['a', null]);
    expect(cells('integer', '.spec.on')).toEqual(['a', null]);
    expect(cells('date', '.spec.none')).toEqual(['a', '<unknown>']);
  });

  it('are name and age where none is declared', () => {
    expect(customColumns({ printerColumns: [] }).map(({ definition }) => definition.name)).toEqual([
      'Name',
      'Age',
    ]);
  });
});

describe('the row of an event', () => {
  it('shows when it was last seen, on what, and how often', () => {
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e' },
      involvedObject: { kind: 'Widget', name: 'w' },
      series: { count: 7, lastObservedTime: '2026-01-01T00:00:30.000000Z' },
      reason: 'Tested',
      type: 'Warning',
    };
    const row = Object.fromEntries(
      eventKind.columns.map((column) => [
        column.definition.name,
        column.cell(event, Date.UTC(2026, 0, 1, 0, 1)),
      ]),
    );
    expect(row).toMatchObject({
      'Last Seen': '30s',
      Object: 'widget/w',
      Count: 7,
      Type: 'Warning',
      Name: 'e',
    });
  });
});
