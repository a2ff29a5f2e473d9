/** How long guests did not run although they were to: counted through days, losses and changes of mind. */
import { describe, expect, it } from 'vitest';
import type { GuestAvailability } from '../../../src/api/availability.ts';
import { HAGroup } from '../../../src/api/kinds/haGroup.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import {
  type AvailabilityState,
  countOn,
  figuresOf,
  untilNextDay,
} from '../../../src/cluster/availability/count.ts';
import { groupsCounting } from '../../../src/cluster/recovery/groups.ts';
import { machine } from './builders.ts';
import { createHaLab } from './ha/haLab.ts';

/** A guest of which this was seen, one after the other. */
function seen(...looks: readonly (readonly [at: string, state: AvailabilityState])[]): GuestAvailability {
  let counted: GuestAvailability | undefined;
  for (const [at, state] of looks) counted = countOn(counted, state, Date.parse(at));
  if (counted === undefined) throw new Error('nothing was seen');
  return counted;
}

describe('the availability of a guest', () => {
  it('is the share of the time in which it was to run that it ran', () => {
    expect(
      seen(
        ['2026-11-29T10:00:00Z', 'Up'],
        ['2026-11-29T10:59:24Z', 'Down'],
        ['2026-11-29T11:00:00Z', 'Up'],
        ['2026-11-29T20:00:00Z', 'NotExpected'],
      ),
    ).toEqual({
      ...{ state: 'NotExpected', since: '2026-11-29T20:00:00Z', last30Days: '99.900', lastYear: '99.900' },
      days: [{ day: '2026-11-29', expectedSeconds: 36_000, downSeconds: 36 }],
      months: [{ month: '2026-11', expectedSeconds: 36_000, downSeconds: 36 }],
    });
  });

  it('says nothing of the time in which it was not to run', () => {
    const { days } = seen(
      ['2026-11-29T00:00:00Z', 'Up'],
      ['2026-11-29T01:00:00Z', 'NotExpected'],
      ['2026-11-29T22:00:00Z', 'Up'],
      ['2026-11-29T23:00:00Z', 'NotExpected'],
    );
    expect(days).toEqual([{ day: '2026-11-29', expectedSeconds: 7_200, downSeconds: 0 }]);
  });

  it('counts each day and month what was of it', () => {
    const { days, months } = seen(['2026-11-30T23:00:00Z', 'Down'], ['2026-12-01T02:00:00Z', 'Up']);
    expect(days.map(({ day, downSeconds }) => [day, downSeconds])).toEqual([
      ['2026-11-30', 3_600],
      ['2026-12-01', 7_200],
    ]);
    expect(months.map(({ month, downSeconds }) => [month, downSeconds])).toEqual([
      ['2026-11', 3_600],
      ['2026-12', 7_200],
    ]);
  });

  it('forgets days after thirty and months after thirteen', () => {
    const after = seen(
      ['2026-01-01T00:00:00Z', 'Down'],
      ['2026-01-02T00:00:00Z', 'Up'],
      ['2027-01-31T00:00:00Z', 'Up'],
    );
    expect(after.days).toHaveLength(29);
    expect([after.days[0]?.day, after.last30Days]).toEqual(['2027-01-02', '100.000']);
    expect([after.months[0], after.months.length, after.lastYear]).toEqual([
      { month: '2026-01', expectedSeconds: 2_678_400, downSeconds: 86_400 },
      13,
      '99.746',
    ]);
  });

  it('is never rounded up to 100, and a clock that is set back takes nothing away', () => {
    const down = seen(
      ['2026-11-01T00:00:00Z', 'Up'],
      ['2026-11-29T00:00:00Z', 'Down'],
      ['2026-11-29T00:00:01Z', 'Up'],
    );
    expect(down.last30Days).toBe('99.999');
    expect(countOn(down, 'Up', Date.parse('2026-11-28T23:00:00Z'))).toBe(down);
    const back = countOn(down, 'Down', Date.parse('2026-11-28T23:00:00Z'));
    expect([back.state, back.since, back.days]).toEqual(['Down', '2026-11-29T00:00:01Z', down.days]);
  });

  it('is written when something changes or a day is over only', () => {
    const up = seen(['2026-11-29T10:00:00Z', 'Up']);
    expect(countOn(up, 'Up', Date.parse('2026-11-29T23:59:59Z'))).toBe(up);
    expect(countOn(up, 'Up', Date.parse('2026-11-30T00:00:00Z')).days).toHaveLength(1);
    expect(untilNextDay(Date.parse('2026-11-29T23:59:00Z'))).toBe(60_000);
  });

  it('of several together counts the time of all', () => {
    const one = seen(['2026-11-29T00:00:00Z', 'Up'], ['2026-11-29T03:00:00Z', 'NotExpected']);
    const other = seen(['2026-11-29T00:00:00Z', 'Down'], ['2026-11-29T01:00:00Z', 'NotExpected']);
    expect(figuresOf([one, other]).last30Days).toBe('75.000');
    expect(figuresOf([])).toEqual({});
  });
});

describe('the group of a guest', () => {
  const guest = (availability: GuestAvailability, image: string) =>
    machine('db', { ha: { group: 'g' } }, { availability, effective: { image } });

  it('counts again when the guest was counted again, and not whenever its status changes', () => {
    const up = seen(['2026-11-29T10:00:00Z', 'Up']);
    const same = structuredClone(up);
    const groupOf = () => ({ name: 'g', spec: { hosts: [] } });
    const down = seen(['2026-11-29T10:00:00Z', 'Up'], ['2026-11-29T11:00:00Z', 'Down']);
    const change = (after: GuestAvailability) =>
      groupsCounting(groupOf)({ key: 'default/db', before: guest(up, '1'), after: guest(after, '2') });
    expect(change(same)).toEqual([]);
    expect(change(down)).toContain('g');
  });
});

describe('a protected guest whose host is lost', () => {
  it('is down until it runs elsewhere, which its group says too, and nothing is written of one that rests', async () => {
    const lab = await createHaLab(['a', 'b', 'c']);
    for (const name of ['a', 'b', 'c']) lab.addDevice(`bmc-${name}`, { name, plug: name });
    await lab.lead();
    await lab.switchOn();
    lab.addGroup('g', { hosts: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] });
    await lab.addGuest('db', 'a', { ha: { group: 'g' } });
    const running = (status: 'True' | 'False') => {
      const at = '2026-01-01T00:00:00Z';
      const conditions = [
        { type: 'Running', status, reason: 'Running', message: '', lastTransitionTime: at },
      ];
      return lab.api.mergePatch(
        VirtualMachine,
        { namespace: 'default', name: 'db' },
        { status: { conditions } },
        { subresource: 'status' },
      );
    };
    const said = () => lab.guest('db').status?.availability;
    await lab.until('it is to run', () => lab.guest('db').status?.ha?.state === 'Started', 30_000);
    await running('True');
    await lab.until('it is up', () => said()?.state === 'Up', 10_000);
    lab.writes.length = 0;
    await lab.advance(60_000);
    expect(lab.writes.filter((write) => write.includes('availability'))).toEqual([]);
    lab.powerOff('a');
    await lab.until('it is down', () => said()?.state === 'Down', 20_000);
    await lab.until('it is up again', () => said()?.state === 'Up', 60_000);
    const { expectedSeconds = 0, downSeconds = 0 } = said()?.days[0] ?? {};
    expect(expectedSeconds).toBeGreaterThan(60);
    expect(downSeconds).toBeGreaterThan(1);
    expect(downSeconds).toBeLessThan(30);
    await lab.advance(1_000);
    const group = lab.api.state.get(HAGroup, 'g') as Stored<HAGroup> | undefined;
    expect(group?.status?.availability?.last30Days).toBe(said()?.last30Days);
    await lab.resign();
  });
});
