/** A guest's own control group, on cgroup v1 (all mounted controllers) and v2 alike. Paths below the mount are `<root>/<id>`. */

export type CgroupLimits = {
  /** CPUs' worth of time, 1.5 = one and a half; absent: unlimited. */
  cpuLimit?: number;
  memoryBytes?: number;
  swapBytes?: number;
  pids?: number;
};

export type Cgroups = {
  readonly version: 1 | 2;
  /** `<root>` as given, for example `vireo/h1`. */
  readonly root: string;
  create(id: string): Promise<void>;
  /** Moves a process in, in every hierarchy. */
  enter(id: string, pid: number): Promise<void>;
  /** All pids in the group and below it, in any hierarchy; [] when it does not exist. */
  members(id: string): Promise<number[]>;
  /** Sets limits now, in the order the kernel accepts (memory+swap before memory when raising). Throws ReasonedError with the file and cause. */
  limit(id: string, limits: CgroupLimits): Promise<void>;
  freeze(id: string): Promise<void>;
  thaw(id: string): Promise<void>;
  /** SIGKILLs all members until none is left. */
  killAll(id: string): Promise<void>;
  /** Removes the empty group with its children; not empty throws. */
  remove(id: string): Promise<void>;
  /** Ids that have a group under the root. */
  list(): Promise<string[]>;
  /** Removes the root itself when empty. */
  removeRoot(): Promise<void>;
};
