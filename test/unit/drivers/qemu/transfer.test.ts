/** How a machine that leaves is asked, and how one that comes is let run: its QEMU answers nobody for a while, and each question takes time. */
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { QemuContext } from '../../../../src/drivers/hypervisor/qemu/context.ts';
import type { QmpConnection, QmpEvent } from '../../../../src/drivers/hypervisor/qemu/qmp.ts';
import { createTransfer } from '../../../../src/drivers/hypervisor/qemu/transfer/transfer.ts';
import { createFakeClock, settle } from '../../../world/fakeClock.ts';
import { guest, smallMachine, tcgHost } from './machine.ts';

/** A QEMU that says what it is set to, in order, and nothing while it is busy. */
function fakeQemu() {
  const said: string[] = [];
  const listeners: ((event: QmpEvent) => void)[] = [];
  let hangUp = () => {};
  let held: (() => void)[] | undefined;
  const qemu = {
    said,
    migration: { status: 'active' } as Record<string, unknown>,
    runState: 'running',
    tell: (event: string, data: Record<string, unknown> = {}) => {
      for (const listener of listeners) listener({ event, data });
    },
    isBusy: (busy: boolean) => {
      const waiting = held ?? [];
      held = busy ? [] : undefined;
      for (const answer of waiting) answer();
    },
    hangUp: () => hangUp(),
  };
  const answers: Record<string, () => unknown> = {
    'query-uuid': () => ({ UUID: guest.uuid }),
    'query-status': () => ({ status: qemu.runState }),
    'query-chardev': () => [],
    'query-jobs': () => [],
    'query-migrate': () => qemu.migration,
    cont: () => {
      qemu.runState = 'running';
    },
    migrate_cancel: () => {
      qemu.migration = { status: 'cancelled' };
    },
  };
  const connection = (): QmpConnection => {
    const closed = new Promise<void>((resolve) => {
      hangUp = resolve;
    });
    return {
      execute: async (command) => {
        said.push(command);
        const answer = answers[command]?.() ?? {};
        const waiting = held;
        if (waiting !== undefined) await new Promise<void>((resolve) => waiting.push(resolve));
        return answer;
      },
      onEvent: (listener) => void listeners.push(listener),
      closed,
      close: () => hangUp(),
    };
  };
  return { ...qemu, qemu, connection };
}

const record = {
  uuid: guest.uuid,
  process: { pid: 7, startTicks: 1, bootId: 'boot-1' },
  startedAt: '2030-01-01T00:00:00Z',
  request: smallMachine,
  hardware: {},
};
const outgoing = {
  id: 'move-1',
  place: { address: '::1', port: 1 },
  options: { id: 'move-1' },
  startedMs: 0,
};

/** A host with this one guest; `more` is what its record says of a move. */
function hostWith(more: Record<string, unknown>) {
  const { qemu, connection } = fakeQemu();
  const contents = new Map([[`${guest.directory}/run.json`, JSON.stringify({ ...record, ...more })]]);
  let connected: QmpConnection | undefined;
  const clock = createFakeClock();
  const context = {
    runDirectory: '/run/vireo/1a2b3c4d',
    world: {
      clock,
      log: silentLog,
      processes: { isAlive: async () => true },
      files: {
        readText: async (path: string) => contents.get(path),
        writeAtomic: async (path: string, text: string) => void contents.set(path, text),
      },
    },
    monitors: {
      connect: async () => {
        connected ??= connection();
        return connected;
      },
    },
  } as unknown as QemuContext;
  return { qemu, clock, transfer: createTransfer(context, async () => tcgHost) };
}

describe('a machine that is being sent', () => {
  let host: ReturnType<typeof hostWith>;
  const count = (command: string) => host.qemu.said.filter((said) => said === command).length;
  beforeEach(() => {
    host = hostWith({ outgoing: { ...outgoing, memoryBegun: true } });
  });

  it('stands still as soon as QEMU has stopped it, whatever QEMU says of its memory', async () => {
    expect((await host.transfer.progress(guest)).phase).toBe('Memory');
    host.qemu.runState = 'finish-migrate';
    expect((await host.transfer.progress(guest)).phase).toBe('SwitchingOver');
  });

  it('is asked once for all who want to know, until QEMU tells of something new', async () => {
    await host.transfer.progress(guest);
    host.qemu.isBusy(true);
    const first = [host.transfer.progress(guest), host.transfer.progress(guest)];
    await settle();
    expect(count('query-migrate')).toBe(2);
    host.qemu.migration = { status: 'completed' };
    host.qemu.runState = 'postmigrate';
    host.qemu.tell('MIGRATION', { status: 'completed' });
    const later = host.transfer.progress(guest);
    host.qemu.isBusy(false);
    expect((await Promise.all(first)).map(({ phase }) => phase)).toEqual(['Memory', 'Memory']);
    expect((await later).phase).toBe('Completed');
    expect(count('query-migrate')).toBe(3);
  });

  it('is looked at once for each connection: while one lasts, the same process answers', async () => {
    for (let look = 0; look < 3; look += 1) await host.transfer.progress(guest);
    expect(count('query-uuid')).toBe(1);
    host.qemu.hangUp();
    await settle();
    await host.transfer.progress(guest);
    expect(count('query-uuid')).toBe(2);
  });

  it('is not being sent any more once that was called off', async () => {
    await host.transfer.progress(guest);
    const calledOff = host.transfer.cancel(guest);
    await host.clock.advance(10);
    await calledOff;
    expect(await host.transfer.progress(guest)).toEqual({ phase: 'Idle' });
  });
});

describe('a machine that comes', () => {
  it('is let run when its QEMU has it all, and others were asked whether it may meanwhile', async () => {
    const { qemu, transfer } = hostWith({ incoming: { id: 'move-1' } });
    qemu.isBusy(true);
    qemu.runState = 'inmigrate';
    const steps: string[] = [];
    const arriving = transfer.arrive(guest, async (here) => {
      steps.push('asked');
      await here;
      steps.push('here');
    });
    await settle();
    expect(steps).toEqual(['asked']);
    expect(qemu.said).not.toContain('cont');
    qemu.migration = { status: 'completed' };
    qemu.runState = 'paused';
    qemu.isBusy(false);
    await arriving;
    expect(steps).toEqual(['asked', 'here']);
    expect(qemu.said.indexOf('nbd-server-stop')).toBeLessThan(qemu.said.indexOf('cont'));
  });

  it('is not run while its memory is not there, nor when the gate is closed', async () => {
    const { qemu, transfer } = hostWith({ incoming: { id: 'move-1' } });
    qemu.runState = 'inmigrate';
    const open = async (here: Promise<unknown>) => void (await here);
    await expect(transfer.arrive(guest, open)).rejects.toMatchObject({ reason: 'NotArrived' });
    qemu.migration = { status: 'completed' };
    qemu.runState = 'paused';
    const closed = () => Promise.reject(new Error('the gate is closed'));
    await expect(transfer.arrive(guest, closed)).rejects.toThrow('the gate is closed');
    expect(qemu.said).not.toContain('cont');
    await transfer.arrive(guest, open);
    expect(qemu.said.filter((said) => said === 'cont')).toHaveLength(1);
  });
});
