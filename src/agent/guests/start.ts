/** Starts a guest: resolves its hardware from what is pinned, writes both down and asks at the gate while the driver prepares. */
import type { GuestRecord } from '../record.ts';
import { type GateDeps, passGate, requireHost } from './gate.ts';
import type { GuestObject } from './kind.ts';
import { requestFor } from './request.ts';
import { beginRun } from './run.ts';
import type { Scope } from './scope.ts';

export type StartDeps = {
  restartToken: string | undefined;
  now(): number;
  /** Milliseconds of a clock that nobody sets. */
  monotonic(): number;
  /** On disk when it resolves. */
  updateRecord(change: (record: GuestRecord) => GuestRecord): Promise<GuestRecord>;
  /** Lets containers use this agent's block of ids. */
  grantIds(): Promise<void>;
  gate(epoch: number): GateDeps;
  /** Has a guest with `ha` guarded; throws GateClosed when that cannot be. */
  guard(): Promise<void>;
  /** Begins copies that wait for the guest to be there and not to have run; false when none do. */
  beginCopies(): Promise<boolean>;
};

/** A driver may take long to prepare: what the API server said longer ago is asked again. */
const WORD_MS = 200;

/** Throws GateClosed when it was forbidden, ReasonedError when it failed; then nothing runs. */
export async function startGuest<T extends GuestObject, Request, Hardware>(
  deps: StartDeps,
  scope: Scope<T, Request, Hardware>,
): Promise<void> {
  const { kind, handle, facts, memory, record } = scope;
  const request = requestFor(scope);
  const hardware = kind.driver.resolve(request, kind.hardware(record?.hardware), facts);
  await deps.guard();
  if (record?.idBase !== undefined) await deps.grantIds();
  // Written down while the driver prepares: both have to be over before the guest's first instruction.
  const recorded = deps.updateRecord((before) => ({
    ...before,
    hardware,
    run: beginRun(before.run, deps.restartToken, deps.now()),
  }));
  // It may fail while the driver is still busy: told at the gate, or in the end.
  recorded.catch(() => {});
  const ask = async () => {
    const { epoch } = await recorded;
    const gate = deps.gate(epoch);
    const askedAt = deps.monotonic();
    await passGate(gate);
    return { gate, askedAt };
  };
  const early = ask();
  // As with the record.
  early.catch(() => {});
  const pass = async () => {
    const word = await early;
    if (deps.monotonic() - word.askedAt > WORD_MS) await ask();
    // They take time: the gate is asked again.
    if (await deps.beginCopies()) await ask();
    requireHost(word.gate);
  };
  let closed: unknown;
  const gate = () =>
    pass().catch((error: unknown) => {
      closed = error;
      throw error;
    });
  try {
    await kind.driver.start(handle, request, hardware, gate);
  } catch (error) {
    // A driver may wrap what the gate threw; a forbidden start must not count as a failed one.
    throw closed ?? error;
  } finally {
    scope.record = await recorded;
  }
  memory.appliedRequest = JSON.stringify(request);
  memory.pendingChanges = [];
  memory.addressTries = 0;
}
