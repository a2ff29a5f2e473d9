/**
 * What a hypervisor driver is: plain requests in, facts out, nothing of Kubernetes. Every method may be called again after any
 * crash; `kill` and `remove` are repeated until the guest is Off. One driver object serves one host.
 */
import type { ProcessIdentity } from '../../base/processes.ts';
import type { NicAttachment } from '../network/contract.ts';
import type { VolumeAttachment } from '../storage/contract.ts';
import type { GuestCopies } from './copying.ts';

export type { CopyBegun, DiskCopy, GuestCopies } from './copying.ts';
export type { GuestMemory, KeptMemory, MemoryKeeping } from './memory.ts';

/** Reason of a start that another process refuses by its lock of a volume: on shared storage maybe one of a host that is lost. */
export const VOLUME_LOCKED = 'VolumeLocked';

/** Which guest, and where its files are. Nothing else of the guest lies outside `directory` except its volumes. */
export type GuestHandle = {
  /** 13 lower-case base32 characters of the uuid: file, socket, cgroup and LXC names. */
  id: string;
  uuid: string;
  /** For people: shown in process titles and inside the guest. */
  name: string;
  /** The guest's state directory on this host, absolute; it moves as a whole. */
  directory: string;
};

/**
 * What stands of a guest on this host.
 * - Incoming: the process exists and waits for the guest's memory from another host; no instruction of the guest runs.
 * - HandedOver: the guest's memory has gone to another host completely; the process stands still and may run on only if that host
 *   certainly does not run it.
 * - Off: no process of it exists (its cgroup is empty, its recorded process is gone). `ended` says how the last run came to its end,
 *   until `remove` or the next `start`; absent when it never ran or was ended by `kill` or an answered `shutdown` and acknowledged.
 * - Prelaunch: the process exists but no instruction of the guest has run (QEMU -S); start was interrupted.
 * - Paused: it stands still. `storageFailed`: because a disk could not be read or written (full, or away); `resume` tries that again first.
 * - Unmanageable: processes of the guest exist but do not answer or are not what the record says. Never start, never call it stopped.
 *   `killable`: they are certainly this guest's and nobody else's, so `kill` may end them when the guest is wanted off.
 */
export type GuestObservation =
  | { state: 'Off'; ended?: GuestEnd; detail?: string }
  | {
      state: 'Prelaunch' | 'Running' | 'Paused' | 'Incoming' | 'HandedOver';
      process: ProcessIdentity;
      startedAt: string;
      agentConnected?: boolean;
      storageFailed?: true;
    }
  | { state: 'Unmanageable'; reason: string; message: string; killable?: true };

/** PoweredOff: the guest shut itself down (or followed a shutdown request); Crashed: its process died; HostRebooted: so did the host. */
export type GuestEnd = 'PoweredOff' | 'Crashed' | 'HostRebooted';

/** A difference between what runs and what is asked for. `path` mirrors the resource's spec without `spec.`: `cpu.cores`, `disks[data].cache`. */
export type PendingChange = {
  path: string;
  from: string;
  to: string;
  class: 'Live' | 'Restart' | 'Migrate' | 'Recreate';
};

export type HypervisorFacts = {
  available: boolean;
  /** Constant in CamelCase and what to do, when not available (`QemuMissing`, ...). */
  reason?: string;
  message?: string;
  version?: string;
  /** QEMU only: what guests run on, and why not KVM. */
  accelerator?: 'kvm' | 'tcg';
  acceleratorReason?: string;
  /** QEMU only: what plans are made from. */
  qemu?: QemuFacts;
};

/** The QEMU of this host. */
export type QemuFacts = {
  /** Absolute path of the emulator. */
  program: string;
  /** The newest versioned type of each chipset: pc-q35-7.2. */
  machineTypes: Readonly<Record<MachineRequest['machine'], string>>;
  /** OVMF's code and the empty variables to copy; absent: not installed. */
  uefi?: { code: string; variables: string };
  /** Whether guests start under the seccomp filter. */
  sandbox: boolean;
  /** Whether the kernel moves packets between taps and guests itself. */
  vhostNet: boolean;
};

export type HypervisorDriver<Request, Hardware> = {
  readonly name: string;
  facts(): Promise<HypervisorFacts>;
  /**
   * Resolves everything that must never change by itself (versioned machine type, addresses, ids): pure. With `pinned` from the host's
   * record those values are kept and only what is new is added.
   */
  resolve(request: Request, pinned: Hardware | undefined, facts: HypervisorFacts): Hardware;
  /** The plan as text, one option per line: for golden tests, logs and `describe`. Pure. */
  describe(guest: GuestHandle, request: Request, hardware: Hardware, facts: HypervisorFacts): string;
  observe(guest: GuestHandle): Promise<GuestObservation>;
  /**
   * Brings an Off or Prelaunch guest to Running. `gate` is awaited after everything is prepared and immediately before the first guest
   * instruction can run; it throws to forbid, then nothing is left running. Throws ReasonedError. Running already: returns at once.
   */
  start(guest: GuestHandle, request: Request, hardware: Hardware, gate: () => Promise<void>): Promise<void>;
  /** Applies what can change in a running guest and returns what cannot, compared with what really runs; [] when equal or Off. */
  update(guest: GuestHandle, request: Request): Promise<PendingChange[]>;
  /** Asks the guest to shut down (ACPI, SIGPWR) and returns at once; repeatable. */
  shutdown(guest: GuestHandle): Promise<void>;
  /** Ends the guest by force; resolves only when no process of it is left. The end does not count as Crashed. */
  kill(guest: GuestHandle): Promise<void>;
  pause(guest: GuestHandle): Promise<void>;
  resume(guest: GuestHandle): Promise<void>;
  /** Removes sockets, logs, cgroups and run state of an Off guest (volumes are not the driver's); nothing there is no error. */
  remove(guest: GuestHandle): Promise<void>;
  /** Ids of all guests with a living process on this host by looking at cgroups and sockets, recorded or not. */
  discover(): Promise<string[]>;
  /** Calls back with a guest's id when its state may have changed (event, process exit). Returns the end of it. */
  watch(listener: (id: string) => void): () => void;
  /** Lets go of connections; guests run on. */
  close(): Promise<void>;
};

export type CpuRequest = { sockets: number; cores: number; threads: number; model?: string };

export type DiskRequest = {
  name: string;
  bus: 'virtio' | 'scsi';
  readOnly: boolean;
  cache?: 'none' | 'writeback' | 'directsync';
  serial?: string;
  /** Lower boots first; absent: not bootable unless no disk has one (then the first). */
  bootOrder?: number;
  /** Wanted size in bytes: a larger one is announced to the running guest (block_resize) after the volume has grown. */
  sizeBytes: number;
  volume: VolumeAttachment;
};

export type NicRequest = {
  name: string;
  mac: string;
  model: 'virtio' | 'e1000e' | 'rtl8139';
  linkState: 'Up' | 'Down';
  mtu?: number;
  attachment: NicAttachment;
};

/** A virtual machine as QEMU is to run it. */
export type MachineRequest = {
  machine: 'q35' | 'pc';
  cpu: CpuRequest;
  memoryBytes: number;
  firmware: 'BIOS' | 'UEFI';
  disks: readonly DiskRequest[];
  networks: readonly NicRequest[];
  guestAgent: boolean;
  display: 'VNC' | 'None';
};

/** Hardware pinned at the first start and recorded: later plans start from it. */
export type MachineHardware = {
  /** Versioned: pc-q35-7.2. */
  machineType: string;
  cpuModel: string;
  /** Device id -> PCI address or bus slot (`rp3`, `scsi0:1`). */
  addresses: Readonly<Record<string, string>>;
  /** Memory on top of what was asked for, KiB: of machines that are emulated. */
  extraMemoryKib?: number;
};

/** Where a guest's console sockets are on this host. */
export type MachineSockets = { qmp: string; qmp2: string; serial: string; vnc: string; guestAgent: string };

/** A system container as LXC is to run it. */
export type ContainerRequest = {
  hostname: string;
  unprivileged: boolean;
  /** First host id of the container's 65,536 uids and gids; ignored when privileged. */
  idBase: number;
  cpu: { cores?: number; limit?: number };
  memoryBytes?: number;
  swapBytes?: number;
  pidsLimit?: number;
  rootfs: VolumeAttachment;
  networks: readonly Omit<NicRequest, 'model' | 'linkState'>[];
};

export type ContainerHardware = { idBase: number };

/** What snapshots of a running machine need beside `pause` and `resume`. */
export type GuestSnapshots = {
  /**
   * Has the guest's agent write out and freeze all file systems, within `timeoutMs`. False: there is no agent, or it could not, or not in
   * time, and may come to it later. `thaw` is called afterwards in any case.
   */
  freeze(guest: GuestHandle, options: { timeoutMs: number }): Promise<boolean>;
  /** Ends a freeze. A guest that is off, or whose agent is not connected, is no error; throws ReasonedError when the agent does not answer. */
  thaw(guest: GuestHandle): Promise<void>;
  /** One snapshot of this name inside the file of each of these disks, all at one moment or none. Throws ReasonedError SnapshotFailed. */
  take(guest: GuestHandle, name: string, disks: readonly string[]): Promise<void>;
  /** Removes them; one that is not there is no error. */
  remove(guest: GuestHandle, name: string, disks: readonly string[]): Promise<void>;
  readonly copies: GuestCopies;
};

/** Moving a running guest to another host, as the driver of machines offers it. Every method may be called again after any crash. */
export type GuestTransfer<Request, Hardware> = {
  /**
   * On the source: what really runs, for `receive` on the target (which puts in volumes and interfaces of its own), and the files of the
   * guest's state directory that move with it, relative to it. What the spec asks for may differ from what runs. Throws ReasonedError NotRunning.
   */
  running(guest: GuestHandle): Promise<{ request: Request; hardware: Hardware; files: readonly string[] }>;
  /**
   * On the target: the process that waits for the guest, stopped, in its control group, with exports for the disks that are to be filled.
   * The hardware is the source's, never planned anew. Standing already: returns the same place. Throws ReasonedError; then nothing is left.
   */
  receive(
    guest: GuestHandle,
    request: Request,
    hardware: Hardware,
    options: ReceiveOptions,
  ): Promise<TransferPlace>;
  /** On the source: begins to send disks, then memory, or finds the transfer of this `id` under way. Returns when it has begun. */
  send(guest: GuestHandle, place: TransferPlace, options: SendOptions): Promise<void>;
  /** On the source: how far the transfer is; `Idle` when none was begun or it was taken back. */
  progress(guest: GuestHandle): Promise<TransferProgress>;
  /** On the source, known without asking and so at once: the guest stands still, and if it is being sent, its last is on the way. */
  isStill(guest: GuestHandle): boolean;
  /** On the source, phase Memory, where `postCopy` was asked for: the guest stands still in AwaitingSwitch, and can still be called off. */
  beginPostCopy(guest: GuestHandle): Promise<void>;
  /** On the source, phase AwaitingSwitch, once the guest is the target's: from here on only the target can run it. */
  switchOver(guest: GuestHandle): Promise<void>;
  /** On the source, phase PostCopy: gives a connection up over which nothing comes any more. */
  disconnect(guest: GuestHandle): Promise<void>;
  /** On the source, phase PostCopyPaused: sends the rest of the memory to where the target listens anew. */
  reconnect(guest: GuestHandle, place: TransferPlace): Promise<void>;
  /** On the target: how much of the memory is there. */
  arrival(guest: GuestHandle): Promise<Arrival>;
  /** On the target, arrival Coming or Paused: ends the connection there was and listens anew. Undefined: it waits for no memory. */
  listenAnew(guest: GuestHandle, place: { address: string }): Promise<TransferPlace | undefined>;
  /** On the source: changes limits of a transfer under way. */
  adjust(guest: GuestHandle, limits: TransferLimits): Promise<void>;
  /** On the source: ends the transfer; the guest runs on here. Refused with ReasonedError HandedOver once the memory has gone. */
  cancel(guest: GuestHandle): Promise<void>;
  /** On the source, state HandedOver, only when the target certainly does not run the guest: it runs on here after the gate. */
  takeBack(guest: GuestHandle, gate: () => Promise<void>): Promise<void>;
  /** On the target: ends exports and runs the guest that has arrived, after the gate. Nothing is done to one that runs already. */
  arrive(guest: GuestHandle, gate: ArrivalGate): Promise<void>;
};

/** Is given a promise that the guest is here and could run, which it has to wait for: until then it can ask others. */
export type ArrivalGate = (here: Promise<unknown>) => Promise<void>;

/**
 * Memory on a target. Waited: the guest cannot run yet. Coming: it can, and what it touches before it is there makes it wait (post-copy).
 * Paused: as Coming, and the connection is lost. Whole: nothing is missing.
 */
export type Arrival = 'Waited' | 'Coming' | 'Paused' | 'Whole';

/** Certificates of this host in QEMU's layout (`ca-cert.pem`, `server-*.pem`, `client-*.pem`), and who the other end must be. */
export type TransferTls = {
  /** Absolute path of the directory. */
  directory: string;
  /** The other host's name: the common name in its certificate, and a DNS name in it. */
  peer: string;
};

export type ReceiveOptions = {
  /** uid of the Migration: the same id finds the same transfer. */
  id: string;
  /** Where to listen, an address of this host; ports are chosen by the driver. */
  address: string;
  /** Disks that are sent; the others are shared and already hold what the guest sees. */
  disks: readonly string[];
  /** How the source will send memory: both ends must agree. Absent: one connection, no compression. */
  channels?: number;
  compression?: SendOptions['compression'];
  postCopy?: boolean;
  tls?: TransferTls;
};

/** Where a target listens: printable, goes through the API. */
export type TransferPlace = {
  address: string;
  /** Port for memory. */
  port: number;
  /** Port for disks and the name of each disk's export; absent when all are shared. */
  disks?: { port: number; exports: Readonly<Record<string, string>> };
};

export type TransferLimits = {
  /** Bytes per second for disks and memory together; absent: no limit. */
  bytesPerSecond?: number;
  /** How long the guest may stand still, milliseconds. */
  downtimeMs: number;
};

export type SendOptions = TransferLimits & {
  id: string;
  tls?: TransferTls;
  /** Slow the guest's processors down when its memory changes faster than it is sent. */
  autoConverge: boolean;
  /** More than one: so many connections for memory (multifd). */
  channels: number;
  compression: 'None' | 'Zstd' | 'XBZRLE';
  /** The guest may go on on the target before all its memory is there: a lost link then loses the guest. */
  postCopy: boolean;
};

/** The guest stands still until `switchOver`; it is the target's and its memory follows; that has lost its connection. */
type PostCopyPhase = 'AwaitingSwitch' | 'PostCopy' | 'PostCopyPaused';

export type TransferProgress =
  | { phase: 'Idle' }
  | {
      phase: 'Disks' | 'Memory' | 'SwitchingOver' | PostCopyPhase | 'Completed';
      id: string;
      /** Sent and still to send, bytes, of disks and memory together. */
      transferredBytes: number;
      remainingBytes: number;
      /** Milliseconds since the transfer began. */
      totalMs: number;
      /** Milliseconds the guest stood still (Completed) or is expected to. */
      downtimeMs?: number;
    }
  | { phase: 'Failed'; id: string; reason: string; message: string };
