/** How much of the time in which it was to run a guest did run: a field of its status, and the figures of an HAGroup. */
import { integer, mapList, object, oneOf, type Static, Type, text, time } from './fields.ts';

const seconds = {
  expectedSeconds: integer('So long it was to run.', 0, 32_000_000),
  downSeconds: integer('So long of that it did not.', 0, 32_000_000),
};

const figures = {
  last30Days: Type.Optional(
    text(
      'Share of the time in which it was to run that it ran, in per cent, over this day and 29 before it.',
      16,
    ),
  ),
  lastYear: Type.Optional(text('The same over this month and 12 before it.', 16)),
};

/** `status.availability` of guests with `ha`. Days and months are those of UTC. */
export const guestAvailability = object(
  '(expected - down) / expected, counted by the manager while the guest has `ha`. What happens while no manager runs is not seen.',
  {
    state: oneOf(
      ['Up', 'Down', 'NotExpected'],
      'NotExpected: it is not to run, which counts for nothing. Down: it is to run, and does not or is on a host that is lost.',
    ),
    since: time('Since when it is that; also when a day began.'),
    ...figures,
    days: mapList(
      object('One day.', { day: text('Such as 2026-11-29.', 10), ...seconds }),
      ['day'],
      31,
      'The last 30 days in which it was to run.',
    ),
    months: mapList(
      object('One month.', { month: text('Such as 2026-11.', 7), ...seconds }),
      ['month'],
      13,
      'The last 13 months in which it was to run.',
    ),
  },
);

/** `status.availability` of HAGroups. */
export const groupAvailability = object(
  'The availability of all its guests together: of the time in which they were to run, the share they ran.',
  figures,
);

export type GuestAvailability = Static<typeof guestAvailability>;
export type GroupAvailability = Static<typeof groupAvailability>;
