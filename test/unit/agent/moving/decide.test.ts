import { describe, expect, it } from 'vitest';
import type { Belonging } from '../../../../src/agent/migration/placement.ts';
import { decideSource, type SourceFacts } from '../../../../src/agent/migration/source/decide.ts';
import {
  decideTarget,
  type EarlierStay,
  type TargetFacts,
} from '../../../../src/agent/migration/target/decide.ts';
import type { Incoming, Outgoing } from '../../../../src/agent/record.ts';

const BELONGINGS: readonly Belonging[] = ['Source', 'SourceAnew', 'Target', 'Elsewhere', 'Gone', 'Unknown'];
const STAYS: readonly EarlierStay[] = ['None', 'Left', 'Leaving', 'Kept'];
const STATES = ['Off', 'Prelaunch', 'Running', 'Paused', 'Incoming', 'HandedOver', 'Unmanageable'] as const;
const migration = { uid: 'm', namespace: 'default', name: 'move' };
const why = { reason: 'Why', message: 'because' };

/** All combinations of what is given for each name. */
function* combinations<T extends object>(choices: { [K in keyof T]: readonly T[K][] }): Generator<T> {
  const entries = Object.entries(choices) as [keyof T, readonly T[keyof T][]][];
  const count = entries.reduce((product, [, values]) => product * values.length, 1);
  for (let index = 0; index < count; index += 1) {
    const combination: Partial<T> = {};
    let rest = index;
    for (const [name, values] of entries) {
      combination[name] = values[rest % values.length] as T[keyof T];
      rest = Math.floor(rest / values.length);
    }
    yield combination as T;
  }
}

function* outgoings(): Generator<Outgoing> {
  const choices = combinations<Pick<Outgoing, 'type' | 'held' | 'handOver' | 'givenUp'>>({
    type: ['Live', 'Offline'],
    held: [undefined, { wasOn: true }] as never,
    handOver: [undefined, 'Asked', 'Done'] as never,
    givenUp: [undefined, { phase: 'Failed', ...why }] as never,
  });
  for (const { held, handOver, givenUp, type } of choices) {
    yield {
      migration,
      type,
      to: 'b',
      epoch: 1,
      since: 0,
      ...(held === undefined ? {} : { held }),
      ...(handOver === undefined ? {} : { handOver }),
      ...(givenUp === undefined ? {} : { givenUp }),
    };
  }
}

type SourceMigration = NonNullable<SourceFacts['migration']>;
const sourceMigrations = [
  undefined,
  ...combinations<SourceMigration>({
    uid: ['m'],
    type: ['Live'],
    over: [false, true],
    deleting: [false, true],
    stop: [undefined, why],
    fits: [true],
    target: [undefined, 'Precopied', 'Ready', 'Settled', 'Failed'],
    targetFailure: [undefined],
    source: [undefined, 'Offering', 'Stopped', 'HandedOver', 'Stayed'],
  }),
];

function* sourceFacts(): Generator<SourceFacts & { outgoing: Outgoing }> {
  const work = { transferredBytes: 0, remainingBytes: 0, totalMs: 0 };
  for (const outgoing of outgoings()) {
    yield* combinations<SourceFacts & { outgoing: Outgoing }>({
      outgoing: [outgoing],
      migration: sourceMigrations,
      record: [{ outgoing, moved: false, runs: false, staying: [] }],
      observation: STATES,
      transfer: [
        { phase: 'Idle' },
        { phase: 'Memory', id: 'm', ...work },
        { phase: 'SwitchingOver', id: 'm', ...work },
        { phase: 'AwaitingSwitch', id: 'm', ...work },
        { phase: 'PostCopy', id: 'm', ...work },
        { phase: 'Completed', id: 'm', ...work },
        { phase: 'Failed', id: 'm', ...why },
      ],
      belonging: BELONGINGS,
      wantedOff: [undefined],
      silent: [false],
      settledThere: [false, true],
      apiIsAway: [false, true],
    });
  }
}

describe('the table of the source, whatever the facts', () => {
  it('runs, removes and asks only where it may', () => {
    let seen = 0;
    const wrong: unknown[] = [];
    for (const facts of sourceFacts()) {
      seen += 1;
      const { outgoing, belonging, settledThere, migration: current, observation, transfer } = facts;
      const deed = decideSource(facts);
      const hasLeft =
        observation === 'HandedOver' || ['Completed', 'AwaitingSwitch'].includes(transfer.phase);
      const isOurs = !['Target', 'Elsewhere', 'Gone'].includes(belonging);
      const mayBe = {
        // Goes on here only after giving up was written down, and never while the placement names another host.
        takeBack: outgoing.givenUp !== undefined && !['Target', 'Elsewhere', 'Gone'].includes(belonging),
        // Removes only what is at home elsewhere, after the hand-over was written down.
        release:
          outgoing.handOver === 'Done' &&
          ['Target', 'Elsewhere', 'Gone'].includes(belonging) &&
          (settledThere || belonging === 'Gone'),
        // Asks only for a guest that is its own, whose move is wanted, and that has left if it runs: that may have been written ahead.
        handOver:
          belonging === 'Source' &&
          (outgoing.type === 'Offline' || hasLeft) &&
          outgoing.givenUp === undefined &&
          current !== undefined &&
          !current.deleting &&
          !current.over &&
          current.stop === undefined,
        // After a request that may be under way it is never simply given up, unless the cluster has ended the move and another host has the guest.
        giveUp: outgoing.handOver === undefined || (belonging === 'Elsewhere' && current?.over === true),
        // Lets the target go on only after the placement has surely changed.
        switchOver: belonging === 'Target' && outgoing.handOver === 'Done' && outgoing.givenUp === undefined,
        startAnew: outgoing.givenUp !== undefined && !['Target', 'Elsewhere', 'Gone'].includes(belonging),
        reclaim: belonging === 'Source' && outgoing.handOver !== undefined,
        cancelTransfer: outgoing.givenUp !== undefined && observation !== 'HandedOver',
        // Not while anything of the transfer is left, also of one that has failed: its memory may stop the guest yet.
        sayStayed: transfer.phase === 'Idle' || !isOurs,
        forget: outgoing.givenUp !== undefined && (transfer.phase === 'Idle' || !isOurs),
      };
      const rule = mayBe[deed.type as keyof typeof mayBe];
      if (rule === false) wrong.push({ deed, facts });
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(seen).toBeGreaterThan(100_000);
  });
});

function* targetFacts(): Generator<TargetFacts & { incoming: Incoming | undefined }> {
  const moves = combinations<Pick<Incoming, 'type' | 'arriving' | 'home' | 'failed'>>({
    type: ['Live', 'Offline'],
    arriving: [undefined, true] as never,
    home: [undefined, true] as never,
    failed: [undefined, why] as never,
  });
  const incomings = [
    undefined,
    ...[...moves].map(
      (move) =>
        ({ migration, from: 'a', epoch: 2, made: [], ...JSON.parse(JSON.stringify(move)) }) as Incoming,
    ),
  ];
  const live = incomings.filter((incoming) => incoming?.type === 'Live' && incoming.failed === undefined);
  const byPostCopy = live.map((incoming) => ({ ...incoming, postCopy: true }) as Incoming);
  for (const incoming of [...incomings, ...byPostCopy]) {
    const followed = incoming?.postCopy === true;
    yield* combinations<TargetFacts & { incoming: Incoming | undefined }>({
      incoming: [incoming],
      record:
        incoming === undefined
          ? [undefined, ...STAYS.map((stay) => ({ incoming, stay }))]
          : [{ incoming, stay: 'None' as const }],
      migration: [
        undefined,
        ...combinations<NonNullable<TargetFacts['migration']>>({
          over: [false, true],
          deleting: [false, true],
          type: ['Live'],
          source: [undefined, 'Offering', 'Stopped', 'HandedOver', 'Lost', 'Stayed', 'Released'],
          sourceHolds: [false, true],
          target: [undefined, 'Preparing', 'Precopied', 'Ready', 'Settled', 'Failed', 'Cleaned'],
        }),
      ],
      observation: STATES,
      belonging: BELONGINGS,
      settling: ['Settled', 'Starting', 'StartFailed'],
      memory: followed ? ['Coming', 'Whole', undefined] : [undefined],
      sourceHost: ['There', 'Away', 'Gone'],
    });
  }
}

describe('the table of the target, whatever the facts', () => {
  it('runs, removes and gives back only where it may', () => {
    let seen = 0;
    const wrong: unknown[] = [];
    for (const facts of targetFacts()) {
      seen += 1;
      const { incoming, belonging, migration: current, observation, memory, sourceHost } = facts;
      const deed = decideTarget(facts);
      const sourceIsDone =
        current === undefined ||
        current.over ||
        current.source === 'Stayed' ||
        current.source === 'Released' ||
        (current.deleting && !current.sourceHolds);
      const mayBe = {
        arrive: belonging === 'Target' && observation === 'Incoming',
        // By post-copy the source may still run it: it starts from its disks here only when that is out of the question.
        settle:
          belonging === 'Target' &&
          (incoming?.postCopy !== true ||
            incoming.type !== 'Live' ||
            observation !== 'Off' ||
            incoming.arriving === true ||
            sourceHost === 'Gone'),
        // The source keeps what has not come.
        finish:
          belonging === 'Target' &&
          (incoming?.postCopy !== true || observation === 'Off' || memory === 'Whole'),
        startAnew: belonging === 'Target' && (current?.source === 'Lost' || sourceHost === 'Gone'),
        // What has come of it is thrown away only where nothing of it ever ran, and nobody can send the rest.
        recover:
          belonging === 'Target' &&
          observation === 'Off' &&
          incoming?.arriving === undefined &&
          incoming?.home === undefined &&
          (sourceHost === 'Gone' || (incoming?.type === 'Offline' && current?.target !== 'Ready')),
        // Everything made for the guest stays as long as it may still become this host's.
        clean: belonging !== 'Target' && belonging !== 'Unknown' && sourceIsDone,
        // What may have run here does not go back: the source has not what it wrote since.
        giveBack: belonging === 'Target' && incoming?.arriving === undefined,
        // What an earlier stay has left here may be all there is of it.
        accept:
          belonging === 'Source' &&
          current?.source === 'Offering' &&
          !current.deleting &&
          !current.over &&
          (facts.record === undefined || facts.record.stay === 'Left'),
        prepare: belonging !== 'Target' && belonging !== 'Unknown',
      };
      const rule = mayBe[deed.type as keyof typeof mayBe];
      if (rule === false) wrong.push({ deed, facts });
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(seen).toBeGreaterThan(100_000);
  });
});
