/** What a cluster decides about high availability: `spec` of ClusterPolicy, and `policy` of a scenario. */
import { DURATION_PATTERN, parseDuration } from '../base/duration.ts';
import { roundBytes } from '../base/quantity.ts';
import { flag, integer, object, oneOf, type Static, Type, text } from './fields.ts';
import { brokenInequalities, DEFAULT_HA_TIMINGS, type HaTimings, timingRules } from './haTimings.ts';

const duration = (description: string) => Type.Optional(text(description, 16, { pattern: DURATION_PATTERN }));
const share = (description: string) => Type.Optional(Type.Number({ description, minimum: 0, maximum: 100 }));

const times = {
  renewInterval: duration('From one renewal of a Lease to the next. Default 1s.'),
  observation: duration('From one look at all Leases to the next. Default 500ms.'),
  pause: duration('A pause of any process that must do no harm. Default 3s.'),
  leaseDuration: duration('So long silent, a host is suspect. Default 4500ms.'),
  excuseAge: duration('So long without a renewal, a voter excuses others. Default 6s.'),
  askInterval: duration('From one round of questions to peers to the next. Default 1s.'),
  answerTimeout: duration('Peers answer within this. Default 1s.'),
  freezeAfter: duration('So long unheard, a host freezes its guests. Default 5s.'),
  selfFenceAfter: duration('So long unheard, a host kills its guests. Default 12s.'),
  killTime: duration('A kill takes at most this. Default 2s.'),
  watchdogTimeout: duration('Of the watchdog device. Default 10s.'),
  margin: duration('For drift of clocks. Default 2s.'),
  selfFenceWait: duration('So long after its last sign a host has certainly fenced itself. Default 16s.'),
  leaderLease: duration("The managers' own lease. Default 6s."),
  leaderRenewDeadline: duration('So long after its last renewal a leader stops to act. Default 4500ms.'),
};

/** Without the rules: a scenario may break them on purpose. */
const timings = object('Times; together they must keep the inequalities of docs/safety.md.', times);

export const shutdownPolicy = oneOf(
  ['Conditional', 'Freeze', 'Failover', 'Migrate'],
  'What an orderly end of a host means for its guests. Freeze: they wait for it. Failover: they start elsewhere. Migrate: they move before. Conditional: Freeze at a reboot, Failover at a power-off.',
);

const evening = {
  automatic: Type.Optional(
    flag('Running guests with ha are moved, one at a time, until hosts are evenly filled.'),
  ),
  threshold: share(
    'Imbalance above which guests move: standard deviation of how full hosts are, over their mean. Default 0.3.',
  ),
  margin: share('By how much one move must lower the imbalance. Default 0.1.'),
  hold: duration('So long the imbalance must last. Default 30s.'),
};

export const rebalancing = object('How load is spread.', {
  by: Type.Optional(oneOf(['Count', 'Requests', 'Load'], 'What counts. Count when absent.')),
  onStart: Type.Optional(flag('A guest starts where it fits best, not where it was last.')),
  ...evening,
});

const overcommit = { minimum: 0.1, maximum: 10 };

export const haPolicyFields = {
  timings: Type.Optional(timings),
  shutdownPolicy: Type.Optional(shutdownPolicy),
  memoryOvercommit: Type.Optional(
    Type.Number({ description: 'Factor on the memory of hosts.', ...overcommit }),
  ),
  maxConcurrentFences: Type.Optional(
    integer(
      'Hosts being fenced at one time; the largest minority of hosts when absent. Beyond it a person decides.',
      1,
      1_000,
    ),
  ),
  selfFenceWithoutWatchdog: Type.Optional(
    oneOf(
      ['Allow', 'Deny'],
      'Whether a host without a watchdog is believed to have fenced itself. Deny when absent.',
    ),
  ),
  storageRevocation: Type.Optional(
    oneOf(
      ['Sufficient', 'Ignore'],
      'Sufficient: a guest whose storage was all revoked from a silent host starts elsewhere, though it may go on executing there without it. Ignore when absent.',
    ),
  ),
  haPaused: Type.Optional(
    oneOf(
      ['Freeze', 'Ignore'],
      'Nothing is fenced or started elsewhere; hosts fence themselves all the same. Freeze: moves that people or maintenance ask of guests with ha are refused, or wait. Ignore: they are made, as those of guests without ha.',
    ),
  ),
  rebootGrace: duration(
    'With Failover guests wait so long for a host that restarts, then start elsewhere. Default 10s.',
  ),
  freezeDeadline: duration('Frozen guests wait so long for their host, then start elsewhere. Default 10m.'),
  rebalancing: Type.Optional(rebalancing),
};

/** What of it ClusterPolicy has: the fields that real hosts follow today. */
export const clusterPolicyFields = {
  timings: Type.Optional(
    object('Times; together they must keep the inequalities of docs/safety.md.', times, timingRules()),
  ),
  memoryOvercommit: Type.Optional(
    Type.Number({
      description:
        'Factor on the memory that a host may promise to guests; spec.overcommit.memoryPercent of a Host goes before it. 1 when absent. A lower one moves nobody, and lets nobody new in.',
      ...overcommit,
    }),
  ),
  maxConcurrentFences: haPolicyFields.maxConcurrentFences,
  selfFenceWithoutWatchdog: haPolicyFields.selfFenceWithoutWatchdog,
  storageRevocation: haPolicyFields.storageRevocation,
  shutdownPolicy: haPolicyFields.shutdownPolicy,
  rebootGrace: haPolicyFields.rebootGrace,
  freezeDeadline: haPolicyFields.freezeDeadline,
  selfFenceOfPausableHosts: Type.Optional(
    oneOf(
      ['GuestsMayRunTwice', 'Deny'],
      'For laboratories alone. GuestsMayRunTwice: a host that is itself a virtual machine is believed to have fenced itself, though whoever pauses and resumes it makes its guests run twice. Deny when absent.',
    ),
  ),
  haPaused: haPolicyFields.haPaused,
  rebalancing: Type.Optional(
    object('How load is spread.', {
      by: Type.Optional(
        oneOf(
          ['Count', 'Requests', 'Load'],
          'What counts. Count: guests that are to run. Requests: CPUs and memory they ask for, as shares of those of the host. Load: what guests really use of them, as far as it is measured. Count when absent.',
        ),
      ),
      onStart: Type.Optional(
        flag(
          'A guest with ha that is off, and whose volumes are all shared, starts where it fits best, not where it was last: it is moved there before.',
        ),
      ),
      ...evening,
    }),
  ),
};

const policy = object('', haPolicyFields);
export type HaPolicy = Static<typeof policy>;

/** Memory that may be promised of what there is; in words where that is another amount. */
export function overcommitted(bytes: number, factor: number): { bytes: number; inWords?: string } {
  if (factor === 1) return { bytes };
  return { bytes: Math.floor(bytes * factor), inWords: `${roundBytes(bytes)} x ${factor}` };
}

/** The times a policy asks for, over the defaults; milliseconds. */
export function timingsOf({ timings: given = {} }: Pick<HaPolicy, 'timings'>): HaTimings {
  const times = Object.entries(given).map(([name, value]) => [name, parseDuration(String(value))]);
  return { ...DEFAULT_HA_TIMINGS, ...Object.fromEntries(times) };
}

/** The times of a policy while they keep the inequalities, else what is broken: nobody may act by times that are not safe. */
export function safeTimingsOf(
  policy: Pick<HaPolicy, 'timings'>,
): { timings: HaTimings } | { broken: string[] } {
  const asked = timingsOf(policy);
  const broken = brokenInequalities(asked);
  return broken.length === 0 ? { timings: asked } : { broken };
}
