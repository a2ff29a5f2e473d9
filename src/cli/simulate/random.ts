/** Makes scenarios by chance: clusters of two to six hosts, and faults of every kind that come, overlap and end. The same seed, the same story. */
import type { Random } from '../../base/random.ts';
import type { Entry, ScenarioFile } from './scenario.ts';
import { seeded } from './seed.ts';

/** Faults happen within this, then everything is repaired. */
const FAULTS_UNTIL_S = 90;
const REPAIR_AT_S = 110;
const END_S = 230;

/** Shorter times that keep the inequalities; a change of them in the middle must do no harm. */
const QUICK = {
  renewInterval: '500ms',
  pause: '1s',
  observation: '250ms',
  leaseDuration: '1750ms',
  excuseAge: '2500ms',
  askInterval: '500ms',
  answerTimeout: '500ms',
  freezeAfter: '2s',
  selfFenceAfter: '5s',
  killTime: '1s',
  watchdogTimeout: '5s',
  margin: '1s',
  selfFenceWait: '7s',
  leaderLease: '3s',
  leaderRenewDeadline: '2s',
} as const;

type Dice = {
  int(below: number): number;
  chance(share: number): boolean;
  one<T>(items: readonly [T, ...T[]] | readonly T[]): T;
};

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
  const hosts = Array.from({ length: dice.one([2, 3, 3, 3, 4, 5, 6]) }, (_, index) => ({
    name: `n${index + 1}`,
    fencing: dice.chance(0.5) ? ['ipmi'] : [],
    bootTakes: `${5 + dice.int(20)}s`,
    ...(dice.chance(0.1) ? { watchdog: 'none' } : {}),
  }));
  const names = hosts.map(({ name }) => name);
  const guests = Array.from({ length: 1 + dice.int(6) }, (_, index) => ({
    name: `vm/g${index + 1}`,
    host: dice.one(names),
    state: dice.chance(0.85) ? ('Started' as const) : dice.one(['Stopped', 'Disabled', 'Ignored'] as const),
    ...(dice.chance(0.2) ? { startFailures: 1 + dice.int(3) } : {}),
    ...(dice.chance(0.2) ? { migrateFails: 1 } : {}),
    ...(dice.chance(0.3) ? { liveMigratable: false } : {}),
    ...(dice.chance(0.3) ? { group: 'g' } : {}),
  }));
  const rules =
    dice.chance(0.3) && guests.length > 1
      ? [
          {
            name: 'r',
            type: dice.one(['KeepApart', 'KeepTogether'] as const),
            strict: dice.chance(0.5),
            guests: guests.slice(0, 2).map(({ name }) => name),
          },
        ]
      : [];
  const timeline: Entry[] = [];
  const stuck = new Set<string>();
  for (let count = 1 + dice.int(9); count > 0; count -= 1)
    timeline.push(
      ...fault(
        dice,
        names,
        guests.map(({ name }) => name),
        stuck,
      ),
    );
  timeline.sort((a, b) => seconds(a.at) - seconds(b.at));
  return {
    policy: dice.chance(0.2) ? { timings: QUICK } : {},
    hosts,
    groups: [
      {
        name: 'g',
        hosts: names.slice(0, 2).map((name, index) => ({ name, priority: index })),
        restricted: dice.chance(0.3),
      },
    ],
    rules,
    guests,
    timeline: [...timeline, ...repair(names)],
    until: `${END_S}s`,
  };
}

function seconds(at: string): number {
  return Number.parseFloat(at);
}

type Kind = (at: string, dice: Dice, host: string, names: readonly string[], guest: string) => Entry[];

const duration = (dice: Dice, most: number): string => `${(1 + dice.int(most * 10)) / 10}s`;

/** Kinds of faults, as often as they are worth trying. */
const FAULTS: readonly (readonly [weight: number, kind: Kind])[] = [
  [4, (at, _dice, host) => [{ at, host, do: 'PowerOff' }]],
  [
    2,
    (at, dice, host) => [
      { at, host, do: 'PowerOff' },
      { at: later(at, dice, 20), host, do: 'PowerOn' },
    ],
  ],
  [4, (at, _dice, host) => [{ at, host, do: 'CutNetwork' }]],
  [
    4,
    (at, dice, host) => [
      { at, host, do: 'CutNetwork' },
      { at: later(at, dice, 25), host, do: 'RestoreNetwork' },
    ],
  ],
  [4, (at, dice, host) => [{ at, host, do: 'CutControlPlane', for: duration(dice, 60) }]],
  [3, (at, dice, host) => [{ at, host, do: 'Pause', for: duration(dice, 40) }]],
  [
    2,
    (at, dice, host, names) => [
      { at, host, do: 'Cut', to: dice.one([...names, 'api']), for: duration(dice, 40) },
    ],
  ],
  [
    1,
    (at, dice, host, names) => [
      { at, host, do: 'Cut', from: dice.one([...names, 'api']), for: duration(dice, 40) },
    ],
  ],
  [
    3,
    (at, dice) => [
      { at, api: 'all', do: 'Down' },
      { at: later(at, dice, 60), api: 'all', do: 'Up' },
    ],
  ],
  [2, (at, dice) => [{ at, api: 'all', do: 'Slow', for: duration(dice, 20) }]],
  [2, (at, dice) => [{ at, api: 'all', do: 'LosesAnswers', for: duration(dice, 10) }]],
  [1, (at, _dice, host) => [{ at, host, do: 'RestartAgent' }]],
  [1, (at, dice, host) => [{ at, host, do: dice.one(['Reboot', 'Shutdown']) }]],
  [1, (at, dice, host) => [{ at, host, do: 'Maintenance', enabled: dice.chance(0.7) }]],
  [1, (at, dice, host) => [{ at, host, do: 'Clock', drift: (dice.int(41) - 20) / 1_000 }]],
  [2, (at, dice, host) => [{ at, host, do: 'FenceFails', for: duration(dice, 60) }]],
  [2, (at, dice, host) => [{ at, host, do: 'FenceLies', for: duration(dice, 60) }]],
  [1, (at, _dice, host) => [{ at, host, do: 'KillKeeper' }]],
  [2, (at, dice, _host, names) => [{ at, manager: dice.one(names), do: 'Pause', for: duration(dice, 30) }]],
  [1, (at, dice, _host, names) => [{ at, manager: dice.one(names), do: 'Crash' }]],
  [
    1,
    (at, dice, _host, names) => [
      { at, manager: dice.one(names), do: dice.one(['ApiDown', 'ApiStale', 'Stop']) },
    ],
  ],
  [
    3,
    (at, dice, _host, names, guest) => [
      { at, guest, do: dice.one(['Migrate', 'Relocate']), to: dice.one(names) },
    ],
  ],
  [
    3,
    (at, dice, _host, _names, guest) => [
      { at, guest, do: 'SetState', state: dice.one(['Started', 'Stopped', 'Disabled', 'Ignored']) },
    ],
  ],
  [1, (at, _dice, _host, _names, guest) => [{ at, guest, do: 'Crash' }]],
  [1, (at, _dice, _host, _names, guest) => [{ at, guest, do: 'Delete' }]],
  [1, (at, dice) => [{ at, policy: { timings: dice.chance(0.6) ? QUICK : null } }]],
  // Let go while its host is cut off, then wanted again: nobody guards it meanwhile.
  [
    1,
    (at, dice, host, _names, guest) => [
      { at, guest, do: 'SetState', state: 'Ignored' },
      { at: later(at, dice, 5), host, do: 'CutNetwork' },
      { at: later(at, dice, 25), guest, do: 'SetState', state: 'Started' },
    ],
  ],
  [
    1,
    (at, dice, host) => [
      { at, host, do: 'CutControlPlane', for: '30s' },
      { at: later(at, dice, 4), policy: { timings: QUICK } },
    ],
  ],
];

function later(at: string, dice: Dice, most: number): string {
  return `${(seconds(at) + (1 + dice.int(most * 10)) / 10).toFixed(1)}s`;
}

/** A device that lies and a keeper that is stuck on one host is the assumption: the two are not combined. */
function fault(dice: Dice, hosts: readonly string[], guests: readonly string[], stuck: Set<string>): Entry[] {
  const total = FAULTS.reduce((sum, [weight]) => sum + weight, 0);
  let left = dice.int(total);
  const kind = FAULTS.find(([weight]) => {
    left -= weight;
    return left < 0;
  })?.[1];
  const at = `${(5 + dice.int((FAULTS_UNTIL_S - 5) * 10) / 10).toFixed(1)}s`;
  const entries = kind?.(at, dice, dice.one(hosts), hosts, dice.one(guests)) ?? [];
  for (const { host = '', do: what } of entries) {
    const isLie = what === 'FenceLies';
    if (!isLie && what !== 'Pause' && what !== 'KillKeeper') continue;
    const other = isLie ? `stuck/${host}` : `lies/${host}`;
    if (stuck.has(other)) return [];
    stuck.add(isLie ? `lies/${host}` : `stuck/${host}`);
  }
  return entries;
}

/** Everything works again: from here on what should run must come to run. */
function repair(names: readonly string[]): Entry[] {
  const at = `${REPAIR_AT_S}s`;
  return [
    { at, api: 'all', do: 'Up' },
    { at, policy: { haPaused: null, timings: null } },
    ...names.flatMap((host): Entry[] => [
      { at, host, do: 'RestoreNetwork' },
      { at, host, do: 'FenceWorks' },
      { at, host, do: 'Maintenance', enabled: false },
      { at, host, do: 'PowerOn' },
      { at, manager: host, do: 'ApiUp' },
      { at, manager: host, do: 'Start' },
    ]),
  ];
}
