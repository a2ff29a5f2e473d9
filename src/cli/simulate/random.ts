/** Makes scenarios by chance: clusters of two to six hosts, and faults of every kind that come, overlap and end. The same seed, the same story. */
import type { Random } from '../../base/random.ts';
import { anyFault, type Dice, QUICK, seconds } from './faults.ts';
import type { Entry, ScenarioFile } from './scenario.ts';
import { seeded } from './seed.ts';

/** Faults begin so close to each other that they overlap; then everything is repaired, and there is time for all to come to an end. */
const SECONDS_A_FAULT = 9;
const FIRST_FAULT_S = 5;
const REPAIR_AFTER_S = 20;
const END_AFTER_S = 120;

export function diceOf(random: Random): Dice {
  const int = (below: number) => Math.floor(random.float() * below);
  return {
    int,
    chance: (share) => random.float() < share,
    one: (items) => {
      const item = items[int(items.length)];
      if (item === undefined) throw new Error('nothing to choose from');
      return item;
    },
  };
}

export function randomScenario(seed: number): ScenarioFile {
  const dice = diceOf(seeded(seed));
  const hosts = randomHosts(dice);
  const names = hosts.map(({ name }) => name);
  const guests = randomGuests(dice, names);
  const timeline: Entry[] = [];
  const stuck = new Set<string>();
  const count = 1 + dice.int(9);
  const withinS = 10 + count * SECONDS_A_FAULT;
  for (let left = count; left > 0; left -= 1) timeline.push(...fault(dice, withinS, names, guests, stuck));
  const repairAtS = FIRST_FAULT_S + withinS + REPAIR_AFTER_S;
  const story = {
    policy: randomPolicy(dice),
    hosts,
    groups: [
      {
        name: 'g',
        hosts: names.slice(0, 2).map((name, index) => ({ name, priority: index })),
        restricted: dice.chance(0.3),
      },
    ],
    rules: dice.chance(0.3) && guests.length > 1 ? [randomRule(dice, guests.slice(0, 2))] : [],
    guests,
    until: `${repairAtS + END_AFTER_S}s`,
  };
  const repaired = repair(repairAtS, names, dice);
  // Drawn last: the other stories stay as they were before there was this fault.
  if (dice.chance(0.1)) timeline.push(...rolledBack(dice, withinS));
  const revocable = dice.chance(0.3) ? withRevocation(story, dice) : {};
  if (revocable.storages !== undefined)
    for (const host of names) repaired.push({ at: `${repairAtS}s`, host, do: 'RestartIfRevoked' });
  timeline.sort((a, b) => seconds(a.at) - seconds(b.at));
  return { ...story, ...revocable, timeline: [...timeline, ...repaired] };
}

/** Some pools can be taken from a host, and of some guests all volumes are there. */
function withRevocation(
  { policy, guests }: Pick<ScenarioFile, 'policy'> & { guests: Guests },
  dice: Dice,
): Pick<ScenarioFile, 'policy' | 'guests' | 'storages'> {
  const isEnough = dice.chance(0.7);
  return {
    policy: { ...policy, ...(isEnough ? { storageRevocation: 'Sufficient' as const } : {}) },
    storages: [
      { name: 'red', revocable: true },
      { name: 'blue', revocable: true },
      { name: 'own', revocable: false },
    ],
    guests: guests.map((guest) => ({
      ...guest,
      pools: dice.one([['red'], ['red'], ['blue'], ['red', 'blue'], ['red', 'own'], ['own']]),
    })),
  };
}

/** The API server is stopped and comes back with what it held some time before. */
function rolledBack(dice: Dice, withinS: number): Entry[] {
  const atS = FIRST_FAULT_S + dice.int(withinS * 10) / 10;
  const awayS = (1 + dice.int(150)) / 10;
  return [
    { at: `${atS.toFixed(1)}s`, api: 'all', do: 'Down' },
    { at: `${(atS + awayS / 2).toFixed(2)}s`, api: 'all', do: 'RollBack', by: `${2 + dice.int(60)}s` },
    { at: `${(atS + awayS).toFixed(1)}s`, api: 'all', do: 'Up' },
  ];
}

type Hosts = ScenarioFile['hosts'];
type Guests = NonNullable<ScenarioFile['guests']>;

function randomHosts(dice: Dice): Hosts {
  const memory = dice.chance(0.3) ? { memory: '6Gi' } : {};
  return Array.from({ length: dice.one([2, 3, 3, 3, 4, 5, 6]) }, (_, index) => ({
    name: `n${index + 1}`,
    fencing: dice.chance(0.5) ? ['ipmi'] : [],
    bootTakes: `${5 + dice.int(20)}s`,
    ...(dice.chance(0.2) ? { levels: [['pdu-a', 'pdu-b']] } : {}),
    ...(dice.chance(0.15) ? { watchdog: 'none' } : {}),
    ...memory,
  }));
}

function randomGuests(dice: Dice, names: readonly string[]): Guests {
  return Array.from({ length: 1 + dice.int(6) }, (_, index) => ({
    name: `vm/g${index + 1}`,
    host: dice.one(names),
    state: dice.chance(0.85) ? ('Started' as const) : dice.one(['Stopped', 'Disabled', 'Ignored'] as const),
    ...(dice.chance(0.2) ? { startFailures: 1 + dice.int(5) } : {}),
    ...(dice.chance(0.1) ? { startFailsOn: names.filter(() => dice.chance(0.5)) } : {}),
    ...(dice.chance(0.3) ? { maxRelocate: dice.int(4) } : {}),
    ...(dice.chance(0.2) ? { migrateFails: 1 + dice.int(3) } : {}),
    ...(dice.chance(0.3) ? { liveMigratable: false } : {}),
    ...(dice.chance(0.3) ? { group: 'g' } : {}),
    ...(dice.chance(0.2) ? { priority: dice.int(3) } : {}),
  }));
}

function randomRule(dice: Dice, guests: Guests): NonNullable<ScenarioFile['rules']>[number] {
  return {
    name: 'r',
    type: dice.one(['KeepApart', 'KeepTogether'] as const),
    strict: dice.chance(0.5),
    guests: guests.map(({ name }) => name),
  };
}

function randomPolicy(dice: Dice): NonNullable<ScenarioFile['policy']> {
  return {
    freezeDeadline: '40s',
    ...(dice.chance(0.2) ? { timings: QUICK } : {}),
    ...(dice.chance(0.3) ? { shutdownPolicy: dice.one(['Freeze', 'Failover', 'Migrate'] as const) } : {}),
    ...(dice.chance(0.15)
      ? { rebalancing: { automatic: true, hold: '10s', onStart: dice.chance(0.5) } }
      : {}),
  };
}

/**
 * A device that lies and a keeper that is stuck on one host is the assumption: the two are not combined. Nobody guards a guest that was let go before
 * its host has heard that it is wanted again: no device lies in such a story.
 */
function fault(
  dice: Dice,
  withinS: number,
  names: readonly string[],
  all: Guests,
  stuck: Set<string>,
): Entry[] {
  const at = `${(FIRST_FAULT_S + dice.int(withinS * 10) / 10).toFixed(1)}s`;
  const [host, other, one] = [dice.one(names), dice.one(names), dice.one(all)];
  const guests = all.map(({ name }) => name);
  const entries = anyFault(at, dice, { host, other, guest: one.name, home: one.host ?? host, names, guests });
  const letsGo = entries.some(({ state }) => state === 'Ignored');
  if (letsGo && [...stuck].some((fact) => fact.startsWith('lies/'))) return [];
  if (letsGo) for (const name of names) stuck.add(`stuck/${name}`);
  for (const entry of entries) {
    const isLie = entry.do === 'FenceLies';
    if (!isLie && entry.do !== 'Pause' && entry.do !== 'KillKeeper') continue;
    const subject = entry.host ?? '';
    if (stuck.has(isLie ? `stuck/${subject}` : `lies/${subject}`)) return [];
    stuck.add(isLie ? `lies/${subject}` : `stuck/${subject}`);
  }
  return entries;
}

/** Everything works again: from here on what should run must come to run, and what must leave a host in maintenance leaves it. */
function repair(atS: number, names: readonly string[], dice: Dice): Entry[] {
  const at = `${atS}s`;
  const emptied = dice.chance(0.1) ? dice.one(names) : undefined;
  return [
    { at, api: 'all', do: 'Up' },
    { at, policy: { haPaused: null, timings: null, memoryOvercommit: null } },
    ...names.flatMap((host): Entry[] => [
      { at, host, do: 'RestoreNetwork' },
      { at, host, do: 'RestoreStorage' },
      { at, host, do: 'FenceWorks' },
      { at, host, do: 'Maintenance', enabled: host === emptied },
      { at, host, do: 'PowerOn' },
      { at, manager: host, do: 'ApiUp' },
      { at, manager: host, do: 'Start' },
    ]),
  ];
}
