/** Simulated machines that can move, and pools whose volumes can be copied, over what stands in the ether. */
import type { GuestObject } from '../../../../src/agent/guests/kind.ts';
import type { MachineDriver } from '../../../../src/agent/guests/machine.ts';
import { ReasonedError } from '../../../../src/base/outcome.ts';
import type {
  GuestHandle,
  GuestObservation,
  GuestTransfer,
  HypervisorDriver,
  MachineHardware,
  MachineRequest,
} from '../../../../src/drivers/hypervisor/contract.ts';
import type { StoragePool } from '../../../../src/drivers/storage/contract.ts';
import type { Ether } from './ether.ts';

export type { GuestObject };

const process = { pid: 0, startTicks: 1, bootId: 'simulated' };
const standing = (state: 'Incoming' | 'HandedOver'): GuestObservation => ({
  state,
  process,
  startedAt: '2026-01-01T00:00:00Z',
});

/** The driver of one host with its guests watched by the ether. */
export function watched<Request, Hardware>(
  host: string,
  ether: Ether,
  driver: HypervisorDriver<Request, Hardware>,
): HypervisorDriver<Request, Hardware> {
  const observe = async (guest: GuestHandle): Promise<GuestObservation> => {
    if (ether.waiting(host, guest.id) !== undefined) return standing('Incoming');
    const { phase = 'Disks' } = ether.transfer(host, guest.id) ?? {};
    const hasLeft = ['Completed', 'PostCopy', 'PostCopyPaused'].includes(phase);
    // One that failed at its switch stands still as well.
    const isStill = phase === 'Failed' && !ether.isRunning(host, guest.id);
    if (hasLeft || isStill) return standing('HandedOver');
    const found = await driver.observe(guest);
    if (found.state === 'Off') ether.end(host, guest.id);
    return found;
  };
  return {
    ...driver,
    observe,
    start: async (guest, request, hardware, gate) => {
      const isUp = ether.isRunning(host, guest.id);
      await driver.start(guest, request, hardware, async () => {
        await gate();
        if (!isUp) ether.begin(host, guest.id, 'started');
      });
    },
    kill: async (guest) => {
      ether.stopWaiting(host, guest.id);
      ether.forgetMemory(host, guest.id);
      ether.forgetTransfer(host, guest.id);
      ether.end(host, guest.id);
      await driver.kill(guest);
    },
    shutdown: async (guest) => {
      await driver.shutdown(guest);
      if ((await driver.observe(guest)).state === 'Off') ether.end(host, guest.id);
    },
    discover: async () => [...new Set([...(await driver.discover()), ...ether.guestsOn(host)])],
    watch: (listener) => {
      ether.listen(host, listener);
      return driver.watch(listener);
    },
  };
}

/** Machines that can be sent while they run. */
export function movableMachines(
  host: string,
  ether: Ether,
  simulated: HypervisorDriver<MachineRequest, MachineHardware>,
  requests: Map<string, { request: MachineRequest; hardware: MachineHardware }>,
): MachineDriver {
  const driver = watched(host, ether, simulated);
  const transfer: GuestTransfer<MachineRequest, MachineHardware> = {
    running: async (guest) => {
      const found = requests.get(`${host}/${guest.id}`);
      if (found === undefined) throw new ReasonedError('NotRunning', 'it does not run');
      return { ...found, files: [] };
    },
    receive: async (guest, request, hardware, { id, address, disks }) => {
      requests.set(`${host}/${guest.id}`, { request, hardware });
      if (ether.waiting(host, guest.id) === undefined) ether.wait(host, guest.id, id, disks);
      return {
        address,
        port: 4_000,
        ...(disks.length === 0
          ? {}
          : { disks: { port: 4_001, exports: Object.fromEntries(disks.map((disk) => [disk, disk])) } }),
      };
    },
    send: async (guest, place, { id }) => {
      if (ether.transfer(host, guest.id)?.id === id) return;
      ether.send(host, guest.id, { id, to: place.address, disks: Object.keys(place.disks?.exports ?? {}) });
    },
    progress: async (guest) => {
      const found = ether.transfer(host, guest.id);
      if (found === undefined) return { phase: 'Idle' };
      const { id, phase } = found;
      if (phase === 'Failed') return { phase, id, reason: 'TransferFailed', message: 'the connection broke' };
      const left = {
        ...{ Disks: 1_000, Memory: 500, SwitchingOver: 10, Completed: 0 },
        ...{ AwaitingSwitch: 500, PostCopy: 300, PostCopyPaused: 300 },
      }[phase];
      return {
        phase,
        id,
        transferredBytes: 1_000 - left,
        remainingBytes: left,
        totalMs: 1,
        ...(phase === 'Completed' ? { downtimeMs: 20 } : {}),
      };
    },
    isStill: (guest) => ether.transfer(host, guest.id)?.phase === 'SwitchingOver',
    beginPostCopy: async (guest) => ether.beginPostCopy(host, guest.id),
    switchOver: async (guest) => ether.postCopy(host, guest.id),
    disconnect: async () => {},
    reconnect: async (guest) => ether.reconnect(host, guest.id),
    arrival: async (guest) => {
      if (!ether.isIncomplete(host, guest.id)) return 'Whole';
      return ether.isPaused(host, guest.id) ? 'Paused' : 'Coming';
    },
    listenAnew: async (guest, { address }) => {
      ether.listenAnew(host, guest.id);
      return { address, port: 4_002 };
    },
    adjust: async () => {},
    cancel: async (guest) => {
      const { phase } = ether.transfer(host, guest.id) ?? {};
      if (phase === 'Completed') throw new ReasonedError('HandedOver', 'it has gone');
      if (phase === 'AwaitingSwitch') ether.fail(host, guest.id);
      else ether.forgetTransfer(host, guest.id);
    },
    takeBack: async (guest, gate) => {
      await gate();
      ether.forgetTransfer(host, guest.id);
      ether.begin(host, guest.id, 'taken back');
    },
    arrive: async (guest, gate) => {
      if (ether.waiting(host, guest.id) === undefined) return;
      if (!ether.isComplete(host, guest.id)) throw new ReasonedError('NotArrived', 'the memory is not there');
      await gate(Promise.resolve());
      ether.stopWaiting(host, guest.id);
      ether.begin(host, guest.id, 'continued');
      const found = requests.get(`${host}/${guest.id}`);
      if (found !== undefined) await simulated.start(guest, found.request, found.hardware, async () => {});
    },
  };
  return {
    ...driver,
    start: async (guest, request, hardware, gate) => {
      requests.set(`${host}/${guest.id}`, { request, hardware });
      await driver.start(guest, request, hardware, gate);
    },
    transfer,
  };
}

/** A pool whose volumes are copied as one line; their content is in the ether. */
export function copyablePool(host: string, ether: Ether, pool: StoragePool): StoragePool {
  return {
    ...pool,
    exportVolume: async (id, stream, { pass }) => {
      const guest = id.slice(0, 13);
      stream.write(`${pass} ${ether.data.get(`${host}/${guest}`) ?? 0}\n`);
    },
    importVolume: async (request, stream, { pass, signal }) => {
      let text = '';
      for await (const chunk of stream) {
        text += String(chunk);
        if (text.endsWith('\n')) break;
      }
      const [sent, value] = text.trim().split(' ');
      if (sent !== pass) throw new Error('the other host hung up');
      await ether.copy(pass, signal);
      if (pass !== 'Final') return;
      await pool.create(request, signal);
      ether.data.set(`${host}/${request.id.slice(0, 13)}`, Number(value));
    },
  };
}
