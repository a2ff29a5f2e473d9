/** What moving needs of one kind of guest, with the kind's own types closed in: both sides work with guests of either kind. */
import type { Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type {
  Arrival,
  ArrivalGate,
  GuestHandle,
  GuestObservation,
  ReceiveOptions,
  SendOptions,
  TransferLimits,
  TransferPlace,
  TransferProgress,
} from '../../drivers/hypervisor/contract.ts';
import { passGate } from '../guests/gate.ts';
import type { Attachments, GuestKind, GuestObject } from '../guests/kind.ts';
import { readGuest } from '../guests/read.ts';
import { gateDeps, recordKind } from '../guests/wiring.ts';
import type { GuestWorld } from '../guests/world.ts';
import type { GuestRecord } from '../record.ts';
import { type SwapResult, swapPlacement } from './swap.ts';

type Found = Stored<GuestObject>;
type Ref = { namespace: string; name: string };

export type Mover = {
  readonly kind: GuestRecord['kind'];
  readonly controller: string;
  /** The guest as last seen, when it is placed here. */
  seen(key: string): Found | undefined;
  /** A consistent read. */
  read(ref: Ref, signal: AbortSignal): Promise<Found | undefined>;
  swap(
    found: Found,
    to: { host: string; epoch: number; now: number },
    signal: AbortSignal,
  ): Promise<SwapResult>;
  /** Throws GateClosed unless the guest may run here now with this epoch. */
  gate(found: { metadata: Ref & { uid: string } }, epoch: number, signal: AbortSignal): Promise<void>;
  volumes(found: Found): readonly { name: string; kind: 'Disk' | 'Filesystem'; format: 'raw' | 'qcow2' }[];
  /** Gives the guest's interfaces something to plug into here. */
  plugIn(found: Found, handle: GuestHandle): Promise<Attachments['nics']>;
  needsIdRange(found: Found): boolean;
  observe(guest: GuestHandle): Promise<GuestObservation>;
  kill(guest: GuestHandle): Promise<void>;
  /** Everything the driver has of a guest that is off. */
  remove(guest: GuestHandle): Promise<void>;
  /** Absent: such guests move only while they are off. */
  readonly live?: LiveMover;
};

/** Moving while the guest runs. */
export type LiveMover = {
  /** What really runs, as one text for the target, and the files that move with it. */
  running(guest: GuestHandle): Promise<{ running: unknown; hardware: unknown; files: readonly string[] }>;
  receive(
    guest: GuestHandle,
    state: { running: unknown; hardware: unknown },
    attachments: Attachments,
    options: ReceiveOptions,
  ): Promise<TransferPlace>;
  send(guest: GuestHandle, place: TransferPlace, options: SendOptions): Promise<void>;
  progress(guest: GuestHandle): Promise<TransferProgress>;
  adjust(guest: GuestHandle, limits: TransferLimits): Promise<void>;
  isStill(guest: GuestHandle): boolean;
  beginPostCopy(guest: GuestHandle): Promise<void>;
  switchOver(guest: GuestHandle): Promise<void>;
  disconnect(guest: GuestHandle): Promise<void>;
  reconnect(guest: GuestHandle, place: TransferPlace): Promise<void>;
  arrival(guest: GuestHandle): Promise<Arrival>;
  listenAnew(guest: GuestHandle, place: { address: string }): Promise<TransferPlace | undefined>;
  cancel(guest: GuestHandle): Promise<void>;
  takeBack(guest: GuestHandle, gate: () => Promise<void>): Promise<void>;
  arrive(guest: GuestHandle, gate: ArrivalGate): Promise<void>;
};

export function createMover<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  kind: GuestKind<T, Request, Hardware>,
  informer: Informer<T>,
): Mover {
  const { driver, transfer } = kind;
  // The kind's own objects come from its own informer and reads only.
  const own = (found: Found) => found as Stored<T>;
  const live: LiveMover | undefined = transfer && {
    running: async (guest) => {
      const { request, hardware, files } = await transfer.running(guest);
      return { running: request, hardware, files };
    },
    receive: (guest, state, attachments, options) =>
      transfer.receive(
        guest,
        kind.relocate(state.running as Request, attachments),
        state.hardware as Hardware,
        options,
      ),
    send: (guest, place, options) => transfer.send(guest, place, options),
    progress: (guest) => transfer.progress(guest),
    adjust: (guest, limits) => transfer.adjust(guest, limits),
    isStill: (guest) => transfer.isStill(guest),
    beginPostCopy: (guest) => transfer.beginPostCopy(guest),
    switchOver: (guest) => transfer.switchOver(guest),
    disconnect: (guest) => transfer.disconnect(guest),
    reconnect: (guest, place) => transfer.reconnect(guest, place),
    arrival: (guest) => transfer.arrival(guest),
    listenAnew: (guest, place) => transfer.listenAnew(guest, place),
    cancel: (guest) => transfer.cancel(guest),
    takeBack: (guest, gate) => transfer.takeBack(guest, gate),
    arrive: (guest, gate) => transfer.arrive(guest, gate),
  };
  return {
    kind: recordKind(kind),
    controller: kind.controller,
    seen: (key) => informer.get(key),
    read: (ref, signal) => readGuest(world, kind, ref, signal),
    swap: (found, to, signal) => swapPlacement(world.client, kind.kind, found, to, signal),
    gate: (found, epoch, signal) => passGate(gateDeps(world, kind, found, epoch, signal)),
    volumes: (found) => kind.volumes(own(found).spec),
    plugIn: async (found, handle) => {
      const object = own(found);
      const guest = {
        id: handle.id,
        hostname: kind.hostname(object),
        namespace: object.metadata.namespace ?? 'default',
      };
      const nics = new Map();
      for (const wish of kind.nics(object.spec, handle.uuid)) {
        nics.set(wish.name, await world.network.attach(guest, wish, kind.plugs));
      }
      return nics;
    },
    needsIdRange: (found) => kind.needsIdRange(own(found).spec),
    observe: (guest) => driver.observe(guest),
    kill: (guest) => driver.kill(guest),
    remove: (guest) => driver.remove(guest),
    ...(live === undefined ? {} : { live }),
  };
}
