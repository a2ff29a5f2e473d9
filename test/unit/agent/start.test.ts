import { describe, expect, it, vi } from 'vitest';
import { type StartDeps, startGuest } from '../../../src/agent/guests/start.ts';
import { settle } from '../../world/fakeClock.ts';

/** A start whose driver calls the gate only after `prepare`; `scope` is no more than what a start reads. */
function aStart(
  updateRecord: StartDeps['updateRecord'],
  { prepare = settle, ...given }: Partial<StartDeps> & { prepare?: () => Promise<void> } = {},
) {
  const begun: string[] = [];
  const driver = {
    resolve: () => ({}),
    start: async (_guest: unknown, _request: unknown, _hardware: unknown, gate: () => Promise<void>) => {
      await prepare();
      await gate();
      begun.push('guest');
    },
  };
  const deps = {
    updateRecord,
    now: () => 0,
    monotonic: () => 0,
    guard: async () => {},
    grantIds: async () => {},
    beginCopies: async () => false,
    gate: () => {
      throw new Error('the gate was reached');
    },
    ...given,
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

describe('the word of the API server', () => {
  /** A start whose driver takes `prepareMs`, and what happened in its order. */
  function aTimedStart(prepareMs: number, meanwhile: (lease: { isValid: boolean }) => void = () => {}) {
    const story: string[] = [];
    const lease = { isValid: true };
    let now = 0;
    const placement = { host: 'h1', epoch: 3 };
    const gate = () => ({
      host: 'h1',
      uid: 'u1',
      epoch: 3,
      isLeaseValid: () => lease.isValid,
      isTrusted: () => true,
      ending: () => undefined,
      readGuest: async () => {
        story.push('asked');
        return { metadata: { uid: 'u1' }, status: { placement } };
      },
      readCluster: async () => ({}),
      matchesCluster: () => true,
      guard: { needs: () => false },
    });
    const prepare = async () => {
      await settle();
      now += prepareMs;
      meanwhile(lease);
      story.push('prepared');
    };
    const written = async () => ({ epoch: 3 });
    const start = aStart(written as never, { prepare, gate: gate as never, monotonic: () => now });
    return { story, ...start };
  }

  it('is asked for while the driver prepares', async () => {
    const { story, begun, run } = aTimedStart(60);
    await run();
    expect(story).toEqual(['asked', 'prepared']);
    expect(begun).toEqual(['guest']);
  });

  it('is asked for again when the driver has taken long', async () => {
    const { story, begun, run } = aTimedStart(500);
    await run();
    expect(story).toEqual(['asked', 'prepared', 'asked']);
    expect(begun).toEqual(['guest']);
  });

  it('counts only while the lease of the host is still valid when the guest is to begin', async () => {
    const { begun, run } = aTimedStart(60, (lease) => {
      lease.isValid = false;
    });
    await expect(run()).rejects.toThrow('lease is not valid');
    expect(begun).toEqual([]);
  });
});
