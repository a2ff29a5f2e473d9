/** Starts a guest: resolves its hardware from what is pinned, writes both down and asks at the gate while the driver prepares. */
import { ReasonedError } from '../../base/outcome.ts';
import type { KeptMemory } from '../../drivers/hypervisor/contract.ts';
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
  const kept = await keptMachine(scope);
  const request = kept?.machine.request ?? requestFor(scope);
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
    // On disk before the guest runs: its disks go on, and it must never come back to this memory over them.
    if (kept !== undefined) await deps.updateRecord(withoutMemory);
    requireHost(word.gate);
  };
  let closed: unknown;
  const gate = () =>
    pass().catch((error: unknown) => {
      closed = error;
      throw error;
    });
  try {
    if (kept === undefined) await kind.driver.start(handle, request, hardware, gate);
    else await kept.wake(gate);
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

type KeptMachine<Request, Hardware> = {
  machine: KeptMemory<Request, Hardware>;
  wake(gate: () => Promise<void>): Promise<void>;
};

/** The machine that is to go on from its memory: all as it was, but for what its devices plug into. Undefined: it boots. Throws ReasonedError MemoryUnfit. */
async function keptMachine<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): Promise<KeptMachine<Request, Hardware> | undefined> {
  const { kind, handle, record } = scope;
  const name = record?.run.memory;
  const found = name === undefined ? undefined : await kind.memory?.find(handle, name);
  if (name === undefined || found === undefined) return undefined;
  const machine = { ...found, request: relocated(kind, found.request, scope) };
  return { machine, wake: async (gate) => kind.memory?.wake(handle, name, machine, gate) };
}

function relocated<T extends GuestObject, Request, Hardware>(
  kind: Scope<T, Request, Hardware>['kind'],
  request: Request,
  { memory: { volumes, nics }, record }: Scope<T, Request, Hardware>,
): Request {
  try {
    return kind.relocate(request, { volumes, nics, idBase: record?.idBase ?? 0 });
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const message = `the guest cannot go on from its memory, as its disks or interfaces are others now, and is booted from its disks: ${cause}`;
    throw new ReasonedError('MemoryUnfit', message);
  }
}

function withoutMemory(record: GuestRecord): GuestRecord {
  const { memory: _, ...run } = record.run;
  return { ...record, run };
}
