/** What a scenario file says of its end: `expect`, held against it by `expect.ts`. */
import { atomicList, integer, object, type Static, Type, text } from '../../api/fields.ts';
import { DURATION_PATTERN } from '../../base/duration.ts';
import type { GuestState, HostState } from '../../cluster/ha/model.ts';

const maybe = Type.Optional;
export const HOST_STATES = ['Online', 'Maintenance', 'Suspect', 'Fencing', 'Fenced', 'Offline'] as const;
export const GUEST_STATES = [
  ...['Started', 'Stopped', 'Starting', 'Stopping', 'Migrating', 'Relocating'],
  ...['Fencing', 'Recovering', 'Frozen', 'Error', 'Disabled', 'Ignored'],
] as const;

/** `starts`: how often a process of it began to run. `reason`, `refusal`: part of what is said of it. `recoveredWithin`: of the last loss. */
export type ExpectedGuest = {
  host?: string | string[];
  state?: GuestState;
  running?: boolean;
  moves?: number;
  starts?: number;
  epoch?: number;
  recoveredWithin?: string;
  reason?: string;
  refusal?: string;
};

const oneOrMore = Type.Unsafe<string | string[]>({ 'x-kubernetes-preserve-unknown-fields': true });
export const expectation = object('What must be so in the end.', {
  guests: maybe(
    Type.Unsafe<Record<string, ExpectedGuest>>({
      type: 'object',
      additionalProperties: {
        type: 'object',
        properties: {
          host: JSON.parse(JSON.stringify(oneOrMore)),
          state: { type: 'string', enum: [...GUEST_STATES] },
          running: { type: 'boolean' },
          moves: { type: 'integer' },
          starts: { type: 'integer' },
          epoch: { type: 'integer' },
          recoveredWithin: { type: 'string', pattern: DURATION_PATTERN },
          reason: { type: 'string' },
          refusal: { type: 'string' },
        },
      },
    }),
  ),
  hosts: maybe(
    Type.Unsafe<Record<string, { state?: HostState; power?: string }>>({
      type: 'object',
      additionalProperties: {
        type: 'object',
        properties: { state: { type: 'string', enum: [...HOST_STATES] }, power: { type: 'string' } },
      },
    }),
  ),
  leader: maybe(oneOrMore),
  fences: maybe(integer('How many.', 0, 1_000)),
  proofs: maybe(
    atomicList(
      text('Kind of a proof.', 63, { minLength: 1 }),
      1_000,
      'Which, in the order in which they were stored.',
    ),
  ),
});

export type Expectation = Static<typeof expectation>;
