/** Faults that random stories are made of: what happens by itself, and what comes together because it is most dangerous so. */
import type { Entry } from './scenario.ts';

export type Dice = {
  int(below: number): number;
  chance(share: number): boolean;
  one<T>(items: readonly [T, ...T[]] | readonly T[]): T;
};

/** Whom a fault strikes, and who else is there. `home`: the host the guest began on. */
export type Cast = {
  host: string;
  other: string;
  guest: string;
  home: string;
  names: readonly string[];
  guests: readonly string[];
};
type Kind = (at: string, dice: Dice, cast: Cast) => Entry[];

/** Shorter times that keep the inequalities; a change of them in the middle must do no harm. */
export const QUICK = {
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

/** Seconds of a time in a story. */
export function seconds(at: string): number {
  return Number.parseFloat(at);
}

const duration = (dice: Dice, most: number): string => `${(1 + dice.int(most * 10)) / 10}s`;
const later = (at: string, dice: Dice, most: number): string =>
  `${(seconds(at) + (1 + dice.int(most * 10)) / 10).toFixed(1)}s`;
const after = (at: string, by: number): string => `${(seconds(at) + by).toFixed(1)}s`;

/** Kinds of faults, as often as they are worth trying. */
type Faults = readonly (readonly [weight: number, kind: Kind])[];

const HOSTS: Faults = [
  [4, (at, _dice, { host }) => [{ at, host, do: 'PowerOff' }]],
  [
    2,
    (at, dice, { host }) => [
      { at, host, do: 'PowerOff' },
      { at: later(at, dice, 20), host, do: 'PowerOn' },
    ],
  ],
  [3, (at, dice, { host }) => [{ at, host, do: 'Pause', for: duration(dice, 40) }]],
  [1, (at, dice, { host }) => [{ at, host, do: 'Pause', for: duration(dice, 4) }]],
  [1, (at, _dice, { host }) => [{ at, host, do: 'RestartAgent' }]],
  [1, (at, dice, { host }) => [{ at, host, do: dice.one(['Reboot', 'Shutdown']) }]],
  [
    1,
    (at, dice, { host }) =>
      [
        { at, host, do: 'SlowBoot', for: dice.one(['60s', '300s']) },
        { at: later(at, dice, 10), host, do: dice.one(['Reboot', 'Pause']), for: '20s' },
      ].map(({ for: given, ...entry }) => (entry.do === 'Reboot' ? entry : { ...entry, for: given })),
  ],
  [1, (at, dice, { host }) => [{ at, host, do: 'Maintenance', enabled: dice.chance(0.7) }]],
  [1, (at, dice, { host }) => [{ at, host, do: 'Clock', drift: (dice.int(41) - 20) / 1_000 }]],
  [1, (at, dice, { host }) => [{ at, host, do: 'Clock', jump: dice.one(['-1h', '3s', '24h']) }]],
  [1, (at, _dice, { host }) => [{ at, host, do: 'KillKeeper' }]],
  [
    1,
    (at, dice, { host }) => [
      { at, host, do: dice.one(['PowerOff', 'CutNetwork', 'CutControlPlane', 'RestartAgent']) },
      { at: later(at, dice, 6), host, do: 'DeleteLease' },
    ],
  ],
  [2, (at, dice, { host }) => [{ at, host, do: 'FenceFails', for: duration(dice, 60) }]],
  [1, (at, dice, { host }) => [{ at, host, do: 'FenceFails', device: 'ipmi', for: duration(dice, 60) }]],
  [2, (at, dice, { host }) => [{ at, host, do: 'FenceLies', for: duration(dice, 60) }]],
  [1, (at, dice, { host }) => [{ at, host, do: 'SlowFence', for: duration(dice, 12) }]],
];

const WIRES: Faults = [
  [4, (at, _dice, { host }) => [{ at, host, do: 'CutNetwork' }]],
  [
    4,
    (at, dice, { host }) => [
      { at, host, do: 'CutNetwork' },
      { at: later(at, dice, 25), host, do: 'RestoreNetwork' },
    ],
  ],
  [4, (at, dice, { host }) => [{ at, host, do: 'CutControlPlane', for: duration(dice, 60) }]],
  [1, (at, dice, { host }) => [{ at, host, do: 'CutStorage', for: duration(dice, 60) }]],
  [
    2,
    (at, dice, { host, names }) => [
      { at, host, do: 'Cut', to: dice.one([...names, 'api']), for: duration(dice, 40) },
    ],
  ],
  [
    1,
    (at, dice, { host, names }) => [
      { at, host, do: 'Cut', from: dice.one([...names, 'api']), for: duration(dice, 40) },
    ],
  ],
  // Two groups that do not see each other, of which only one reaches the API.
  [
    1,
    (at, dice, { names }) => {
      const length = duration(dice, 40);
      const apart = names.slice(0, 1 + dice.int(Math.max(1, names.length - 1)));
      const others = names.filter((name) => !apart.includes(name));
      return apart.flatMap((host): Entry[] => [
        { at, host, do: 'CutControlPlane', for: length },
        ...others.map((other): Entry => ({ at, host, do: 'Cut', to: other, from: other, for: length })),
      ]);
    },
  ],
];

const CONTROL: Faults = [
  [
    3,
    (at, dice) => [
      { at, api: 'all', do: 'Down' },
      { at: later(at, dice, 60), api: 'all', do: 'Up' },
    ],
  ],
  // As it comes back for all others, one host stays cut off that was excused until just now.
  [
    2,
    (at, dice, { home }) => {
      const length = 10 + dice.int(300) / 10;
      return [
        { at, api: 'all', do: 'Down' },
        { at: after(at, length - 0.1), host: home, do: 'CutControlPlane' },
        { at: after(at, length), api: 'all', do: 'Up' },
      ];
    },
  ],
  [2, (at, dice) => [{ at, api: 'all', do: 'Slow', for: duration(dice, 20) }]],
  [2, (at, dice) => [{ at, api: 'all', do: 'LosesAnswers', for: duration(dice, 10) }]],
  [3, (at, dice) => [{ at, api: 'all', do: 'CrashesCaller', nth: 1 + dice.int(40) }]],
  [2, (at, dice, { names }) => [{ at, manager: dice.one(names), do: 'Pause', for: duration(dice, 30) }]],
  [1, (at, dice, { names }) => [{ at, manager: dice.one(names), do: 'Crash' }]],
  [
    1,
    (at, dice, { names }) => [
      { at, manager: dice.one(names), do: dice.one(['ApiDown', 'ApiStale', 'Stop']) },
    ],
  ],
  // Two leaders that overlap: the first stands still in the middle of a fence and goes on when another leads.
  [
    1,
    (at, dice, { host, names }) => [
      { at, host, do: dice.one(['PowerOff', 'CutNetwork']) },
      ...names.map(
        (manager, index): Entry => ({
          at: after(at, 3 + index * 9),
          manager,
          do: 'Pause',
          for: duration(dice, 14),
        }),
      ),
    ],
  ],
];

const GUESTS: Faults = [
  [
    3,
    (at, dice, { guest, names }) => [
      { at, guest, do: dice.one(['Migrate', 'Relocate']), to: dice.one(names) },
    ],
  ],
  [
    3,
    (at, dice, { guest }) => [
      { at, guest, do: 'SetState', state: dice.one(['Started', 'Stopped', 'Disabled', 'Ignored']) },
    ],
  ],
  [1, (at, _dice, { guest }) => [{ at, guest, do: 'Crash' }]],
  [1, (at, _dice, { guest }) => [{ at, guest, do: 'Delete' }]],
  [
    1,
    (at, dice, { guest, host }) => [
      { at, guest, do: 'Delete' },
      { at: later(at, dice, 10), guest, do: 'Create', spec: { host, state: 'Started' } },
    ],
  ],
  [
    1,
    (at, dice, { guest }) => [
      { at, guest, do: 'Lock', operation: dice.one(['Backup', 'Migrate', 'Snapshot']) },
      { at: later(at, dice, 30), guest, do: 'Unlock' },
    ],
  ],
  [
    1,
    (at, dice, { guest }) => [
      { at, guest, do: 'Hang' },
      { at: later(at, dice, 10), guest, do: 'SetState', state: dice.one(['Stopped', 'Disabled']) },
    ],
  ],
  [
    1,
    (at, dice, { guest }) => [
      { at, guest, do: 'SetResources', memory: dice.one(['512Mi', '2Gi', '3Gi']), cpu: 2 },
    ],
  ],
  // One of the two is lost just when the guest is handed over.
  [
    2,
    (at, dice, { guest, other, home }) => [
      { at, guest, do: 'Migrate', to: other },
      {
        at: after(at, 4.8 + dice.int(30) / 10),
        host: dice.one([other, home]),
        do: dice.one(['PowerOff', 'CutNetwork', 'RestartAgent']),
      },
    ],
  ],
  // Let go while its host is cut off, then wanted again: nobody guards it meanwhile.
  [
    2,
    (at, dice, { guest, home }) => [
      { at, guest, do: 'SetState', state: 'Ignored' },
      { at: later(at, dice, 5), host: home, do: dice.one(['CutNetwork', 'CutControlPlane']) },
      { at: after(at, 5 + dice.int(250) / 10), guest, do: 'SetState', state: 'Started' },
    ],
  ],
  // Deleted in the middle of its start, which its host does not hear, and made anew elsewhere.
  [
    2,
    (at, dice, { guest, home, other }) => [
      { at, guest, do: 'Delete' },
      { at: after(at, 3), guest, do: 'Create', spec: { host: home, state: 'Started', startTakes: '9s' } },
      { at: after(at, 4 + dice.int(10) / 10), host: home, do: 'CutControlPlane', for: duration(dice, 40) },
      { at: after(at, 5.1), guest, do: 'Delete' },
      {
        at: after(at, 5.2 + dice.int(20) / 10),
        guest,
        do: 'Create',
        spec: { host: other, state: 'Started' },
      },
    ],
  ],
  // A job works on the volumes of a guest that is off when its host is cut off, and the guest is wanted elsewhere.
  [
    2,
    (at, dice, { guest, home }) => [
      { at, guest, do: 'SetState', state: 'Stopped' },
      { at: after(at, 4), guest, do: 'Job', for: '60s' },
      { at: after(at, 7), host: home, do: dice.one(['CutNetwork', 'CutControlPlane', 'CutControlPlane']) },
      { at: after(at, 8 + dice.int(90) / 10), guest, do: 'SetState', state: 'Started' },
    ],
  ],
];

const POLICIES: Faults = [
  [1, (at, dice) => [{ at, policy: { timings: dice.chance(0.6) ? QUICK : null } }]],
  [
    1,
    (at, dice) => [
      { at, policy: { haPaused: dice.one(['Freeze', 'Ignore']) } },
      { at: later(at, dice, 40), policy: { haPaused: null } },
    ],
  ],
  [1, (at, dice) => [{ at, policy: { memoryOvercommit: dice.one([0.5, 1, 1.5]), maxConcurrentFences: 1 } }]],
  [
    1,
    (at, dice, { guests }) => [
      {
        at,
        rules: [
          {
            name: 'new',
            type: dice.one(['KeepApart', 'KeepTogether']),
            strict: dice.chance(0.7),
            guests: guests.slice(0, 3),
          },
        ],
      },
    ],
  ],
  [
    1,
    (at, dice, { names }) => [
      {
        at,
        groups: [
          { name: 'g', hosts: names.slice(1).map((name) => ({ name })), restricted: dice.chance(0.5) },
        ],
      },
    ],
  ],
  // The policy asks for shorter times when a host is cut off already.
  [
    2,
    (at, dice, { home }) => [
      { at, host: home, do: dice.one(['CutControlPlane', 'CutNetwork']) },
      { at: later(at, dice, 4), policy: { timings: QUICK } },
    ],
  ],
];

const FAULTS: Faults = [...HOSTS, ...WIRES, ...CONTROL, ...GUESTS, ...POLICIES];
const TOTAL = FAULTS.reduce((sum, [weight]) => sum + weight, 0);

/** One kind of fault by chance, from this time on. */
export function anyFault(at: string, dice: Dice, cast: Cast): Entry[] {
  let left = dice.int(TOTAL);
  const kind = FAULTS.find(([weight]) => {
    left -= weight;
    return left < 0;
  })?.[1];
  return kind?.(at, dice, cast) ?? [];
}
