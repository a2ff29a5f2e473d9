/** Part of the contract of hypervisor drivers: the memory of a machine kept in its state directory, and machines that go on from there. */
import type { GuestHandle } from './contract.ts';

/**
 * Keeps the memory and devices of a running machine as they are at one moment. Names are the caller's, unique per guest; what is half-kept is
 * never found. `gather`, `release` and `keep` follow each other; `letGo` and `remove` end what does not come to its end.
 */
export type MemoryKeeping = {
  /**
   * Writes memory out while the guest runs on, and resolves when it stands still and hardly any is left: the moment that is kept. Throws
   * ReasonedError MemoryNotKept, StateDirectoryFull.
   */
  gather(guest: GuestHandle, name: string, options: { signal: AbortSignal }): Promise<void>;
  /** Writes the rest, and lets the guest run on. `stillMs`: how long it stood still. Throws ReasonedError MemoryNotKept. */
  release(guest: GuestHandle, name: string): Promise<{ stillMs: number }>;
  /** On disk when it resolves, and found from then on; gives the bytes. Throws ReasonedError MemoryNotKept. */
  keep(guest: GuestHandle, name: string): Promise<number>;
  /** Ends what was begun, by this agent or one before it: the guest runs on. Nothing begun, or a guest that is off, is no error. */
  letGo(guest: GuestHandle): Promise<void>;
  /** Nothing there is no error. */
  remove(guest: GuestHandle, name: string): Promise<void>;
};

/** What a machine needs to go on from its memory: exactly the hardware it had. */
export type KeptMemory<Request, Hardware> = { request: Request; hardware: Hardware };

export type GuestMemory<Request, Hardware> = MemoryKeeping & {
  find(guest: GuestHandle, name: string): Promise<KeptMemory<Request, Hardware> | undefined>;
  /**
   * As `start` of the driver, but the guest goes on from this memory. Its disks hold what they held at that moment: nobody checks that. Throws
   * ReasonedError MemoryUnfit too; then nothing is left running.
   */
  wake(
    guest: GuestHandle,
    name: string,
    machine: KeptMemory<Request, Hardware>,
    gate: () => Promise<void>,
  ): Promise<void>;
};
