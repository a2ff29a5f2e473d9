import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../src/client/contract.ts';
import type { HostName, RunningHost } from './hosts.ts';
import { guestOf, isOver, type Kind, nameOf, runningGuest, type Type } from './stories.ts';

const STEP_MS = 100;

const event = fc.record({
  /** Steps after the move began. */
  at: fc.nat({ max: 60 }),
  what: fc.oneof(
    fc.record({
      type: fc.constant('killAgent' as const),
      host: fc.constantFrom<HostName>('a', 'b'),
      forSteps: fc.integer({ min: 1, max: 60 }),
    }),
    fc.record({ type: fc.constant('apiAway' as const), forSteps: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ type: fc.constant('cutLink' as const) }),
    fc.record({ type: fc.constant('killWaiting' as const) }),
    fc.record({ type: fc.constant('cancel' as const) }),
  ),
});

const move = fc.constantFrom<[Kind, Type, 'postCopy'?]>(
  ['VirtualMachine', 'Live'],
  ['VirtualMachine', 'Live', 'postCopy'],
  ['VirtualMachine', 'Offline'],
  ['Container', 'Offline'],
);

describe('a move with anything that can go wrong, at any time', () => {
  it('leaves one guest, whole, on one of both hosts, and nothing of it on the other', async () => {
    await fc.assert(
      fc.asyncProperty(move, fc.array(event, { maxLength: 4 }), async ([kind, type, how], events) => {
        const { hosts, ...agents } = await runningGuest(kind);
        const running: Record<HostName, RunningHost | undefined> = agents;
        const id = hosts.idOf(kind, nameOf(kind));
        const pause = async (ms: number) => {
          hosts.ether.tick();
          await hosts.clock.advance(ms);
        };
        let awayUntil = -1;
        const back: { step: number; host: HostName }[] = [];
        hosts.api.intercept = () => {
          if (hosts.clock.monotonic() < awayUntil) throw new ApiError(0, 'Unreachable', 'away');
        };
        if (how === 'postCopy') hosts.ether.busy.add(id);
        hosts.migrate(kind, nameOf(kind), type, how === 'postCopy' ? { allowPostCopy: true } : {});
        for (let step = 0; step <= 420; step += 1) {
          for (const { at, what } of events) {
            if (at !== step) continue;
            if (what.type === 'killAgent') {
              const dying = running[what.host];
              running[what.host] = undefined;
              await dying?.kill();
              if (dying !== undefined) back.push({ step: step + what.forSteps, host: what.host });
            } else if (what.type === 'apiAway') awayUntil = hosts.clock.monotonic() + what.forSteps * STEP_MS;
            else if (what.type === 'cutLink') hosts.ether.cut.add('b');
            else if (what.type === 'killWaiting') hosts.ether.stopWaiting('b', id);
            else if (hosts.migration() !== undefined) await hosts.cancel();
          }
          for (const { host } of back.filter((entry) => entry.step === step))
            running[host] = await hosts.start(host);
          await pause(STEP_MS);
        }
        hosts.ether.cut.clear();
        hosts.ether.busy.clear();
        await hosts.until('the move is over', () => hosts.migration() === undefined || isOver(hosts));
        for (let passed = 0; passed < 60_000; passed += 2_000) await pause(2_000);

        const context = hosts.describe();
        const at = guestOf(hosts, kind)?.status?.placement?.host as HostName;
        const other = at === 'a' ? 'b' : 'a';
        expect(hosts.ether.violations, context).toEqual([]);
        expect(hosts.ether.runsOn(id), context).toEqual([`${at}/${id}`]);
        expect(hosts.ether.shells(), context).toEqual([]);
        expect(hosts.record(other, id), context).toBeUndefined();
        expect(hosts.volumes(other), context).toEqual([]);
        expect(hosts.volumes(at), context).toHaveLength(1);
        expect(hosts.plugs[other].size, context).toBe(0);
        await running.a?.stop();
        await running.b?.stop();
      }),
      { numRuns: 50, seed: 20_260_101 },
    );
  }, 300_000);
});
