/**
 * What stands on the hosts of a story and between them, and outlives their agents: processes that wait or stand still, transfers under way,
 * the wires, and the data that a running guest keeps writing. It also watches: a guest that runs twice, or on old data, is written down.
 */
import type { FakeClock } from '../../../world/fakeClock.ts';

export type Transfer = {
  id: string;
  to: string;
  phase:
    | 'Disks'
    | 'Memory'
    | 'SwitchingOver'
    | 'AwaitingSwitch'
    | 'PostCopy'
    | 'PostCopyPaused'
    | 'Completed'
    | 'Failed';
  begunAt: number;
  disks: readonly string[];
};

export type Ether = ReturnType<typeof createEther>;

const DISKS_MS = 1_000;
const MEMORY_MS = 1_000;
const SWITCH_MS = 50;
const POST_COPY_MS = 3_000;

export function createEther(clock: FakeClock) {
  const waiting = new Map<string, { id: string; disks: readonly string[] }>();
  const sending = new Map<string, Transfer>();
  const running = new Set<string>();
  const arrived = new Set<string>();
  const data = new Map<string, number>();
  const cut = new Set<string>();
  const silent = new Set<string>();
  /** Guests whose memory changes faster than it is sent. */
  const busy = new Set<string>();
  /** Guests that may run on a host before their memory is there. */
  const incomplete = new Set<string>();
  const listening = new Set<string>();
  const passes: string[] = [];
  const takeMs: number[] = [];
  const violations: string[] = [];
  const listeners = new Map<string, (id: string) => void>();
  let latest = 0;

  const key = (host: string, guest: string) => `${host}/${guest}`;
  const hostsOf = (guest: string) => [...running].filter((entry) => entry.endsWith(`/${guest}`));
  const tell = (host: string, guest: string) => listeners.get(host)?.(guest);

  /** The guest's instructions run on this host from now on. */
  const begin = (host: string, guest: string, how: string) => {
    const others = hostsOf(guest).filter((entry) => entry !== key(host, guest));
    if (others.length > 0) violations.push(`${guest} was ${how} on ${host} while it ran on ${others.join()}`);
    running.add(key(host, guest));
    write(host, guest);
  };
  const write = (host: string, guest: string) => {
    const before = data.get(key(host, guest)) ?? 0;
    if (before < latest) violations.push(`${guest} went on with old data on ${host}`);
    latest += 1;
    data.set(key(host, guest), latest);
  };
  const end = (host: string, guest: string) => void running.delete(key(host, guest));

  const switchOver = (host: string, guest: string, transfer: Transfer) => {
    const target = key(transfer.to, guest);
    const isStanding = waiting.get(target)?.id === transfer.id && !cut.has(transfer.to);
    if (!isStanding) {
      sending.set(key(host, guest), { ...transfer, phase: 'Failed' });
    } else {
      end(host, guest);
      data.set(target, data.get(key(host, guest)) ?? 0);
      arrived.add(target);
      sending.set(key(host, guest), { ...transfer, phase: 'Completed' });
    }
    tell(host, guest);
  };
  const advance = (host: string, guest: string, id: string) => {
    const transfer = sending.get(key(host, guest));
    if (transfer === undefined || transfer.id !== id || !running.has(key(host, guest))) return;
    if (silent.has(transfer.to)) return;
    if (cut.has(transfer.to) || waiting.get(key(transfer.to, guest)) === undefined) {
      sending.set(key(host, guest), { ...transfer, phase: 'Failed' });
      tell(host, guest);
      return;
    }
    if (transfer.phase === 'Memory' && busy.has(guest)) {
      clock.after(MEMORY_MS, () => advance(host, guest, id));
      return;
    }
    const next = { Disks: 'Memory', Memory: 'SwitchingOver' } as const;
    if (transfer.phase === 'Disks' || transfer.phase === 'Memory') {
      sending.set(key(host, guest), { ...transfer, phase: next[transfer.phase] });
      clock.after(transfer.phase === 'Disks' ? MEMORY_MS : SWITCH_MS, () => advance(host, guest, id));
      // QEMU says that the guest has stopped.
      if (transfer.phase === 'Memory') tell(host, guest);
    } else if (transfer.phase === 'SwitchingOver') switchOver(host, guest, transfer);
  };

  /** Memory follows the guest, unless the link is cut or the process at either end is gone. */
  const followUp = (host: string, guest: string) => {
    const transfer = sending.get(key(host, guest));
    if (transfer?.phase !== 'PostCopy') return;
    const target = key(transfer.to, guest);
    const isThere = running.has(target) || waiting.get(target)?.id === transfer.id;
    const isConnected = !cut.has(transfer.to) && isThere;
    if (isConnected) incomplete.delete(target);
    sending.set(key(host, guest), { ...transfer, phase: isConnected ? 'Completed' : 'PostCopyPaused' });
    tell(host, guest);
    tell(transfer.to, guest);
  };

  return {
    violations,
    data,
    /** Passes over volumes that were begun, in order. */
    passes,
    /** How long the next passes take, milliseconds; the others take no time. */
    takeMs,
    copy: async (pass: string, signal: AbortSignal) => {
      passes.push(pass);
      await clock.sleep(takeMs.shift() ?? 0, signal);
    },
    cut,
    busy,
    isIncomplete: (host: string, guest: string) => incomplete.has(key(host, guest)),
    isPaused: (host: string, guest: string) =>
      [...sending].some(
        ([entry, { to, phase }]) => entry.endsWith(`/${guest}`) && to === host && phase === 'PostCopyPaused',
      ),
    beginPostCopy: (host: string, guest: string) => {
      const transfer = sending.get(key(host, guest));
      if (transfer?.phase !== 'Memory') return;
      end(host, guest);
      sending.set(key(host, guest), { ...transfer, phase: 'AwaitingSwitch' });
      tell(host, guest);
    },
    postCopy: (host: string, guest: string) => {
      const transfer = sending.get(key(host, guest));
      if (transfer?.phase !== 'AwaitingSwitch') return;
      switchOver(host, guest, transfer);
      if (sending.get(key(host, guest))?.phase !== 'Completed') return;
      sending.set(key(host, guest), { ...transfer, phase: 'PostCopy' });
      incomplete.add(key(transfer.to, guest));
      clock.after(POST_COPY_MS, () => followUp(host, guest));
      tell(transfer.to, guest);
    },
    /** As QEMU does when it is called off at the switch: the guest stands still. */
    fail: (host: string, guest: string) => {
      const transfer = sending.get(key(host, guest));
      if (transfer !== undefined) sending.set(key(host, guest), { ...transfer, phase: 'Failed' });
    },
    listenAnew: (host: string, guest: string) => void listening.add(key(host, guest)),
    reconnect: (host: string, guest: string) => {
      const transfer = sending.get(key(host, guest));
      if (transfer?.phase !== 'PostCopyPaused' || !listening.has(key(transfer.to, guest))) return;
      sending.set(key(host, guest), { ...transfer, phase: 'PostCopy' });
      clock.after(POST_COPY_MS, () => followUp(host, guest));
    },
    /** Hosts that no longer answer, without the connection being broken. */
    silent,
    latest: () => latest,
    listen: (host: string, listener: (id: string) => void) => void listeners.set(host, listener),
    begin,
    end,
    /** Guests write all the time. */
    tick: () => {
      for (const entry of running) {
        const [host = '', guest = ''] = entry.split('/');
        write(host, guest);
      }
    },
    runsOn: hostsOf,
    isRunning: (host: string, guest: string) => running.has(key(host, guest)),
    waiting: (host: string, guest: string) => waiting.get(key(host, guest)),
    wait: (host: string, guest: string, id: string, disks: readonly string[]) =>
      void waiting.set(key(host, guest), { id, disks }),
    isComplete: (host: string, guest: string) => arrived.has(key(host, guest)),
    stopWaiting: (host: string, guest: string) => {
      arrived.delete(key(host, guest));
      return waiting.delete(key(host, guest));
    },
    transfer: (host: string, guest: string) => sending.get(key(host, guest)),
    send: (host: string, guest: string, transfer: Omit<Transfer, 'phase' | 'begunAt'>) => {
      sending.set(key(host, guest), { ...transfer, phase: 'Disks', begunAt: clock.monotonic() });
      clock.after(DISKS_MS, () => advance(host, guest, transfer.id));
    },
    forgetTransfer: (host: string, guest: string) => {
      const { phase, to } = sending.get(key(host, guest)) ?? {};
      const isNeeded = phase === 'PostCopy' || phase === 'PostCopyPaused';
      const target = key(to ?? '', guest);
      if (isNeeded && running.has(target) && incomplete.has(target))
        violations.push(`${host} let go of memory that ${guest} still needs`);
      sending.delete(key(host, guest));
    },
    /** The process of a guest has died on this host, whatever it was doing. */
    die: (host: string, guest: string) => {
      sending.delete(key(host, guest));
      waiting.delete(key(host, guest));
      incomplete.delete(key(host, guest));
      end(host, guest);
      for (const [entry, transfer] of sending) {
        if (entry.endsWith(`/${guest}`) && transfer.phase === 'PostCopy')
          sending.set(entry, { ...transfer, phase: 'PostCopyPaused' });
      }
    },
    /** Its process has ended, and what it waited for with it. */
    forgetMemory: (host: string, guest: string) => void incomplete.delete(key(host, guest)),
    /** What is left on hosts of processes that are not the running guest. */
    shells: () => [
      ...waiting.keys(),
      ...[...sending].filter(([entry]) => !running.has(entry)).map(([entry]) => entry),
    ],
    guestsOn: (host: string) =>
      [...new Set([...waiting.keys(), ...sending.keys()])]
        .filter((entry) => entry.startsWith(`${host}/`))
        .map((entry) => entry.slice(host.length + 1)),
  };
}
