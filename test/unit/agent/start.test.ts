import { describe, expect, it, vi } from 'vitest';
import { type StartDeps, startGuest } from '../../../src/agent/guests/start.ts';
import { settle } from '../../world/fakeClock.ts';

/** A start whose driver calls the gate only after a while; `scope` is no more than what a start reads. */
function aStart(updateRecord: StartDeps['updateRecord']) {
  const begun: string[] = [];
  const driver = {
    resolve: () => ({}),
    start: async (_guest: unknown, _request: unknown, _hardware: unknown, gate: () => Promise<void>) => {
      await settle();
      await gate();
      begun.push('guest');
    },
  };
  const deps = {
    updateRecord,
    now: () => 0,
    guard: async () => {},
    grantIds: async () => {},
    beginCopies: async () => false,
    gate: () => {
      throw new Error('the gate was reached');
    },
  };
  const kind = { driver, hardware: () => undefined, request: () => ({}) };
  const scope = { kind, handle: {}, facts: {}, memory: { volumes: new Map(), nics: new Map() }, object: {} };
  return { begun, run: () => startGuest(deps as never, { ...scope, nicWishes: [] } as never) };
}

describe('a start whose record cannot be written while the driver prepares', () => {
  it('fails by that before the guest runs, and no promise is left that nobody has looked at', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const { begun, run } = aStart(() => Promise.reject(new Error('no space left on the disk')));
      await expect(run()).rejects.toThrow('no space left');
      await new Promise((next) => setImmediate(next));
      expect(begun).toEqual([]);
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });
});
