/** Part of the contract of hypervisor drivers: copies of the disks of a machine that runs, and marks of what changed since. */
import type { GuestHandle } from './contract.ts';

/** One disk to be copied into the file at `path`; `bytesPerSecond`: as fast as can be when absent. */
export type DiskCopy = {
  name: string;
  path: string;
  compress: boolean;
  bytesPerSecond?: number;
  /** From the moment of the copy on it is marked under this name what the guest writes. */
  mark?: string;
  /** Earlier marks, best first: only what was written since the first that is whole is copied. */
  since?: readonly string[];
};

/** What is copied of a disk: what changed since that mark, or all of it. `lost`: there were marks to go by, half-way or not at all. */
export type CopyBegun = { name: string; since?: string; lost?: 'Half' | 'Gone' };

/** Copies of the disks of a running machine into files, as they were at one moment; one set of copies for each machine at a time. */
export type GuestCopies = {
  /**
   * Begins to copy these disks as they are now, all at one moment or none, into the empty qcow2 files at `path`; the guest writes on. Throws
   * ReasonedError CopyFailed; then `end` is to be called. Marks outlive the machine where its disks can keep them.
   */
  begin(guest: GuestHandle, disks: readonly DiskCopy[]): Promise<readonly CopyBegun[]>;
  /** How far they are. Throws ReasonedError CopyFailed once they cannot become whole: the guest has gone off, the files are full. */
  progress(guest: GuestHandle): Promise<{ done: boolean; copiedBytes: number; totalBytes: number }>;
  /** Ends them, whole or not, and closes the files. Nothing under way, or a guest that is off, is no error. */
  end(guest: GuestHandle): Promise<void>;
  /** Of all marks of its disks only these stay. A guest that is off is no error: its marks stay. */
  keepMarks(guest: GuestHandle, names: readonly string[]): Promise<void>;
};
