/** The scenario file of `vireo simulate`: its schema, and the plain values the model runs on. Amounts are bytes, times milliseconds. */
import {
  atomicList,
  flag,
  integer,
  object,
  oneOf,
  type Static,
  setList,
  Type,
  text,
} from '../../api/fields.ts';
import { type HaPolicy, haPolicyFields, timingsOf } from '../../api/haPolicy.ts';
import type { HaTimings } from '../../api/haTimings.ts';
import { DURATION_PATTERN, parseDuration } from '../../base/duration.ts';
import { parseBytes } from '../../base/quantity.ts';
import type { Command, Rebalancing, Rule, ShutdownPolicy, WantedState } from '../../cluster/ha/model.ts';
import { expectation, GUEST_STATES, HOST_STATES } from './expectation.ts';

const name = (description: string) => text(description, 63, { minLength: 1 });
const maybe = Type.Optional;
const duration = (description: string) => maybe(text(description, 16, { pattern: DURATION_PATTERN }));
const number = (description: string) => maybe(Type.Number({ description, minimum: 0 }));
const quantity = (description: string) =>
  maybe(text(description, 20, { pattern: '^[0-9]+(\\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$' }));
const WANTED = ['Started', 'Stopped', 'Disabled', 'Ignored'] as const;

const host = object('A host.', {
  name: name('Name.'),
  votes: maybe(integer('Votes.', 0, 100)),
  cpu: number('CPUs.'),
  memory: quantity('Memory.'),
  power: maybe(oneOf(['Running', 'PoweredOff'], 'At the beginning.')),
  network: maybe(oneOf(['Connected', 'Cut'], 'At the beginning.')),
  watchdog: maybe(text('Its timeout, or none.', 16, { pattern: `^none$|${DURATION_PATTERN}` })),
  fencing: maybe(atomicList(name('Device.'), 16, 'Devices of the first level.')),
  levels: maybe(
    atomicList(atomicList(name('Device.'), 16, 'Devices of a level.'), 8, 'Further levels of devices.'),
  ),
  bootTakes: duration('From power to a running agent.'),
  shutdownPolicy: maybe(
    oneOf(['Conditional', 'Freeze', 'Failover', 'Migrate'], 'Before that of the policy.'),
  ),
  maintenance: maybe(flag('Asked for at the beginning.')),
  witness: maybe(flag('Votes, and runs no guests.')),
  status: maybe(
    object('What is stored when the run begins.', { state: maybe(oneOf(HOST_STATES, 'State.')) }),
  ),
});

const load = object('What it really uses.', { cpu: number('CPUs.'), memory: quantity('Memory.') });

const guestFields = {
  host: maybe(name('Where it is.')),
  group: maybe(name('HAGroup.')),
  state: maybe(oneOf(WANTED, 'What is asked of it.')),
  running: maybe(flag('A process is there at the beginning.')),
  maxRestart: maybe(integer('Further tries on a host.', 0, 100)),
  maxRelocate: maybe(integer('Other hosts tried.', 0, 100)),
  failback: maybe(flag('Goes back to a better host.')),
  priority: maybe(integer('Who comes first.', -1_000, 1_000)),
  cpu: number('CPUs.'),
  memory: quantity('Memory.'),
  load: maybe(load),
  liveMigratable: maybe(flag('Moves while it runs.')),
  startFailsOn: maybe(atomicList(name('Host.'), 64, 'Where starts fail.')),
  startFailures: maybe(integer('So many starts fail.', 0, 1_000_000)),
  migrateFails: maybe(integer('So many moves fail.', 0, 1_000_000)),
  stopHangs: maybe(flag('No stop ends.')),
  startTakes: duration('A start takes this.'),
  migrateTakes: duration('A move takes this.'),
  lock: maybe(oneOf(['Backup', 'Create', 'Snapshot', 'Migrate'], 'Held at the beginning.')),
  pools: maybe(setList(name('Pool.'), 16, 'Where all its writable volumes are; not known when absent.')),
  status: maybe(
    object('What is stored when the run begins.', {
      state: maybe(oneOf(GUEST_STATES, 'State.')),
      host: maybe(name('Host.')),
      target: maybe(name('Target of a move.')),
    }),
  ),
};
const guestSpec = object('A guest.', guestFields);
const guest = object('A guest.', { name: name('vm/NAME or ct/NAME.'), ...guestFields });

const group = object('HAGroup.', {
  name: name('Name.'),
  hosts: maybe(
    atomicList(
      object('Host.', { name: name('Name.'), priority: maybe(integer('Higher is better.', -1_000, 1_000)) }),
      256,
      'Hosts.',
    ),
  ),
  restricted: maybe(flag('Only these.')),
  keepTogether: maybe(object('All its guests.', { policy: oneOf(['Required', 'Preferred'], 'How much.') })),
  keepApart: maybe(object('All its guests.', { policy: oneOf(['Required', 'Preferred'], 'How much.') })),
  failback: maybe(flag('Back to a better host.')),
  maxRestart: maybe(integer('Further tries on a host.', 0, 100)),
  maxRelocate: maybe(integer('Other hosts tried.', 0, 100)),
});

const rule = object('Between guests.', {
  name: name('Name.'),
  type: oneOf(['KeepTogether', 'KeepApart'], 'Which.'),
  strict: maybe(flag('Holds at any cost.')),
  guests: setList(name('Guest.'), 256, 'Guests.'),
});

const storage = object('A pool that guests name.', {
  name: name('Name.'),
  revocable: maybe(flag('It can be taken from a host.')),
});

const policy = object('ClusterPolicy.', haPolicyFields);

const entry = object('One event.', {
  at: text('When.', 16, { pattern: DURATION_PATTERN }),
  host: maybe(name('Host.')),
  guest: maybe(name('Guest.')),
  manager: maybe(name('Manager.')),
  api: maybe(oneOf(['all'], 'Everybody.')),
  do: maybe(text('What happens.', 32)),
  for: duration('How long.'),
  by: duration('How far back.'),
  device: maybe(name('Fence device.')),
  nth: maybe(integer('Which write.', 1, 100_000)),
  to: maybe(name('Target.')),
  from: maybe(name('Source.')),
  state: maybe(oneOf(WANTED, 'State.')),
  enabled: maybe(flag('On.')),
  operation: maybe(oneOf(['Backup', 'Create', 'Snapshot', 'Migrate'], 'Of a lock.')),
  spec: maybe(guestSpec),
  cpu: number('CPUs.'),
  memory: quantity('Memory.'),
  drift: maybe(Type.Number({ description: 'Share a clock runs fast.', minimum: -0.02, maximum: 0.02 })),
  jump: maybe(text('Of the wall clock.', 16, { pattern: '^-?[0-9]+(ms|s|m|h)$' })),
  policy: maybe(
    Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      description: 'Merge patch.',
      'x-kubernetes-preserve-unknown-fields': true,
    }),
  ),
  groups: maybe(atomicList(group, 64, 'All groups from now on.')),
  rules: maybe(atomicList(rule, 256, 'All rules from now on.')),
});

export const scenarioSchema = object('A story of a cluster.', {
  policy: maybe(policy),
  leader: maybe(name('Who leads at the beginning.')),
  hosts: atomicList(host, 1_000, 'Hosts.'),
  storages: maybe(atomicList(storage, 64, 'Pools.')),
  groups: maybe(atomicList(group, 64, 'HAGroups.')),
  rules: maybe(atomicList(rule, 256, 'Rules.')),
  guests: maybe(atomicList(guest, 20_000, 'Guests.')),
  timeline: maybe(atomicList(entry, 10_000, 'What happens.')),
  until: maybe(text('When it ends.', 16, { pattern: DURATION_PATTERN })),
  expect: maybe(expectation),
});

/** As written in the file. */
export type ScenarioFile = Static<typeof scenarioSchema>;
export type Entry = NonNullable<ScenarioFile['timeline']>[number];
type GuestFile = Static<typeof guestSpec>;

export type HostSpec = {
  votes: number;
  cpus: number;
  memoryBytes: number;
  fencing: readonly (readonly string[])[];
  maintenance: boolean;
  witness?: true;
  shutdownPolicy?: ShutdownPolicy;
  confirmed?: string;
};

export type GuestSpec = {
  host?: string;
  group?: string;
  state: WantedState;
  maxRestart?: number;
  maxRelocate?: number;
  failback?: boolean;
  priority: number;
  cpus: number;
  memoryBytes: number;
  load?: { cpus: number; memoryBytes: number };
  liveMigratable: boolean;
  startFailsOn?: readonly string[];
  startFailures?: number;
  migrateFails: number;
  stopHangs: boolean;
  startTakesMs: number;
  migrateTakesMs: number;
  lock?: 'Backup' | 'Create' | 'Snapshot' | 'Migrate';
  pools?: readonly string[];
  command?: Command;
};

export type PolicySpec = Omit<HaPolicy, 'timings' | 'rebalancing' | 'rebootGrace' | 'freezeDeadline'> & {
  timings?: HaTimings;
  rebalancing?: Partial<Rebalancing>;
  rebootGraceMs?: number;
  freezeDeadlineMs?: number;
};

export type GroupSpec = NonNullable<ScenarioFile['groups']>[number];
export type { Rule };

const DEFAULT_MEMORY = 128 * 2 ** 30;

export function toHostSpec({
  votes,
  cpu,
  memory,
  fencing,
  levels,
  shutdownPolicy,
  maintenance,
  witness,
}: ScenarioFile['hosts'][number]): HostSpec {
  return {
    votes: votes ?? 1,
    cpus: cpu ?? 32,
    memoryBytes: memory === undefined ? DEFAULT_MEMORY : parseBytes(memory),
    fencing: [fencing ?? [], ...(levels ?? [])].filter((level) => level.length > 0),
    maintenance: maintenance ?? false,
    ...(witness === true ? { witness } : {}),
    ...(shutdownPolicy === undefined ? {} : { shutdownPolicy }),
  };
}

export function toGuestSpec(id: string, file: GuestFile): GuestSpec {
  const {
    cpu,
    memory,
    load: used,
    startTakes,
    migrateTakes,
    running: _running,
    status: _status,
    ...rest
  } = file;
  const memoryBytes = parseBytes(memory ?? '1Gi');
  return {
    ...rest,
    state: file.state ?? 'Started',
    priority: file.priority ?? 0,
    cpus: cpu ?? 1,
    memoryBytes,
    ...(used === undefined
      ? {}
      : {
          load: {
            cpus: used.cpu ?? cpu ?? 1,
            memoryBytes: used.memory === undefined ? memoryBytes : parseBytes(used.memory),
          },
        }),
    liveMigratable: file.liveMigratable ?? !id.startsWith('ct/'),
    migrateFails: file.migrateFails ?? 0,
    stopHangs: file.stopHangs ?? false,
    startTakesMs: parseDuration(startTakes ?? '2s'),
    migrateTakesMs: parseDuration(migrateTakes ?? '5s'),
  };
}

export function toPolicySpec(file: HaPolicy): PolicySpec {
  const { timings: _timings, rebalancing, rebootGrace, freezeDeadline, ...rest } = file;
  const { hold, ...balance } = rebalancing ?? {};
  return {
    ...rest,
    timings: timingsOf(file),
    rebalancing: { ...balance, ...(hold === undefined ? {} : { holdMs: parseDuration(hold) }) },
    ...(rebootGrace === undefined ? {} : { rebootGraceMs: parseDuration(rebootGrace) }),
    ...(freezeDeadline === undefined ? {} : { freezeDeadlineMs: parseDuration(freezeDeadline) }),
  };
}

export function toRule({ strict, ...rest }: NonNullable<ScenarioFile['rules']>[number]): Rule {
  return { ...rest, strict: strict ?? true };
}
