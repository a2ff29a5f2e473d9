/**
 * A guest's own control group, on cgroup v1 (all mounted hierarchies) and v2 alike. Paths below the mount are `<root>/<id>`; an `id` may
 * name a group below the guest's with slashes (`<guest>/payload`).
 */

export type CgroupLimits = {
  /** CPUs' worth of time, 1.5 = one and a half; absent: unlimited. */
  cpuLimit?: number;
  /** Absent: unlimited. */
  memoryBytes?: number;
  /** Swap on top of the memory; absent: unlimited. Ignored where the kernel does not account swap. */
  swapBytes?: number;
  /** Processes and threads; absent: unlimited. */
  pids?: number;
};

/** What a group has used: time of processors since it was made, memory now, without what the kernel would drop first. */
export type CgroupUsage = { cpuSeconds: number; memoryBytes: number };

/** One control file, as `memory.max`, and what is written to it. */
export type CgroupSetting = { file: string; value: string };

/**
 * Programs that work on the volumes of a guest run in groups below this one, beside the guest's own: it may be frozen for a snapshot while they
 * work, its limits are not theirs, and whether it runs is told by its own group alone.
 */
export function jobsGroup(id: string): string {
  return `${JOBS_GROUP}/${id}`;
}

/** Below the root; no guest has this id. */
export const JOBS_GROUP = 'jobs';

export type Cgroups = {
  /** 0: this host gives us no control groups; guests are known by process identity only and limits are refused. */
  readonly version: 0 | 1 | 2;
  /** `<root>` as given, for example `vireo/h1`. */
  readonly root: string;
  /** Makes the group in every hierarchy; it existing already is no error. */
  create(id: string): Promise<void>;
  /** Makes the group only where it can be frozen, for programs without limits that come by its `door`; it existing already is no error. */
  createFreezable(id: string): Promise<void>;
  /**
   * How a command line begins whose process enters such a group before it becomes the program. One that cannot enter, because the group is not
   * there any more for example, is not started: code 126. Empty where there are no groups.
   */
  door(id: string): readonly string[];
  /** Moves a process in, in every hierarchy. */
  enter(id: string, pid: number): Promise<void>;
  /** All pids in the group and below it, in any hierarchy, rising; [] when it does not exist. */
  members(id: string): Promise<number[]>;
  /** As `members` in one hierarchy: whoever is told is there, whoever is not may still be in another. */
  glance(id: string): Promise<number[]>;
  /** Sets limits now, in the order the kernel accepts (memory+swap before memory when raising). Throws ReasonedError with the file and cause. */
  limit(id: string, limits: CgroupLimits): Promise<void>;
  /**
   * The control files and values that hold these limits, for a program that makes the group itself (LXC): in an order that can be written
   * to a new group, without those this host does not have for swap. Pure.
   */
  settings(limits: CgroupLimits): CgroupSetting[];
  /** The limits the kernel holds now; an absent field is unlimited. Memory is in whole pages, as the kernel rounds it down. */
  limits(id: string): Promise<CgroupLimits>;
  /** Of the group and all below it; undefined where it does not exist, or the kernel does not count. */
  usage(id: string): Promise<CgroupUsage | undefined>;
  /** Resolves once every member stands still. */
  freeze(id: string): Promise<void>;
  thaw(id: string): Promise<void>;
  /** True while the group is frozen or about to be; false when it does not exist. */
  isFrozen(id: string): Promise<boolean>;
  /** SIGKILLs all members, frozen ones too, until none is left. Throws ReasonedError ProcessesRemain after `timeoutMs` (30 s). */
  killAll(id: string, options?: { timeoutMs?: number }): Promise<void>;
  /** Removes the empty group with its children; not empty throws ReasonedError CgroupBusy; nothing there is no error. */
  remove(id: string): Promise<void>;
  /**
   * Kills what is in the group, what enters it meanwhile too, and removes it: from then on nothing enters. Throws ReasonedError ProcessesRemain or
   * CgroupBusy after `timeoutMs`.
   */
  end(id: string, options: { timeoutMs: number }): Promise<void>;
  /** Ids that have a group under the root, or names of groups below that of `id`. */
  list(id?: string): Promise<string[]>;
  /** Removes the root when it is empty, and its parents when nobody else uses them. */
  removeRoot(): Promise<void>;
};
