/** A conversation with QEMU, and all the ways in which it can break off. */
import { Duplex, PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Sockets } from '../../../../src/base/sockets.ts';
import {
  connectQmp,
  type QmpConnection,
  type QmpEvent,
} from '../../../../src/drivers/hypervisor/qemu/qmp.ts';
import { createFakeClock, settle } from '../../../world/fakeClock.ts';

type Command = { execute: string; arguments: unknown; id: number };

/** The other end of the line: what was received, and what to say. */
function fakeQemu() {
  const [toClient, toServer] = [new PassThrough(), new PassThrough()];
  const received: Command[] = [];
  toServer.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n'))
      if (line !== '') received.push(JSON.parse(line) as Command);
  });
  const stream = Duplex.from({ readable: toClient, writable: toServer });
  const sockets: Sockets = {
    connectUnix: async () => stream,
    listenForOne: () => Promise.reject(new Error('nobody calls')),
    listenForOneAt: () => Promise.reject(new Error('nobody calls')),
  };
  return {
    sockets,
    received,
    write: (data: string | Uint8Array) => void toClient.write(data),
    say: (message: unknown) => void toClient.write(`${JSON.stringify(message)}\r\n`),
    hangUp: () => void toClient.end(),
  };
}

const greeting = { QMP: { version: {}, capabilities: ['oob'] } };

describe('connecting', () => {
  it('waits for the greeting and agrees on what both can do', async () => {
    const qemu = fakeQemu();
    const connecting = connectQmp({ sockets: qemu.sockets, clock: createFakeClock() }, '/q', 1_000);
    qemu.say(greeting);
    await settle();
    expect(qemu.received).toEqual([{ execute: 'qmp_capabilities', arguments: { enable: ['oob'] }, id: 1 }]);
    qemu.say({ return: {}, id: 1 });
    await connecting;
  });

  it('gives up on a monitor that serves somebody else and never greets', async () => {
    const clock = createFakeClock();
    const connecting = connectQmp({ sockets: fakeQemu().sockets, clock }, '/q', 1_000);
    const outcome = expect(connecting).rejects.toMatchObject({ reason: 'QmpTimeout' });
    await clock.advance(1_000);
    await outcome;
    expect(clock.pending()).toBe(0);
  });

  it('gives up on somebody who is no QEMU', async () => {
    const qemu = fakeQemu();
    const connecting = connectQmp({ sockets: qemu.sockets, clock: createFakeClock() }, '/q', 1_000);
    const outcome = expect(connecting).rejects.toMatchObject({ reason: 'QmpClosed' });
    qemu.write('SSH-2.0-OpenSSH_9.2\r\n');
    await outcome;
  });

  it('gives up when the line is cut before the greeting', async () => {
    const qemu = fakeQemu();
    const connecting = connectQmp({ sockets: qemu.sockets, clock: createFakeClock() }, '/q', 1_000);
    const outcome = expect(connecting).rejects.toMatchObject({ reason: 'QmpClosed' });
    qemu.hangUp();
    await outcome;
  });
});

describe('a connection', () => {
  const clock = createFakeClock();
  let qemu: ReturnType<typeof fakeQemu>;
  let connection: QmpConnection;

  beforeEach(async () => {
    qemu = fakeQemu();
    const connecting = connectQmp({ sockets: qemu.sockets, clock }, '/q', 1_000);
    qemu.say({ QMP: { version: {}, capabilities: [] } });
    await settle();
    qemu.say({ return: {}, id: 1 });
    connection = await connecting;
    qemu.received.length = 0;
  });

  it('gives each command its own answer, in whatever order they come', async () => {
    const answers = Promise.all([connection.execute('query-status'), connection.execute('query-uuid')]);
    await settle();
    const [status, uuid] = qemu.received;
    qemu.say({ return: 'of uuid', id: uuid?.id });
    qemu.say({ event: 'STOP', data: {}, timestamp: {} });
    qemu.say({ return: 'of status', id: status?.id });
    expect(await answers).toEqual(['of status', 'of uuid']);
  });

  it('understands a message that comes in pieces, letters cut in two', async () => {
    const answer = connection.execute('query-name');
    await settle();
    const bytes = Buffer.from(`${JSON.stringify({ return: { name: 'Bär' }, id: qemu.received[0]?.id })}\n`);
    for (const byte of bytes) qemu.write(Buffer.of(byte));
    expect(await answer).toEqual({ name: 'Bär' });
  });

  it('passes on what QEMU refuses, in its words', async () => {
    const answer = expect(connection.execute('cont')).rejects.toThrow(
      'cont: Resetting the Virtual Machine is required',
    );
    await settle();
    const error = { class: 'GenericError', desc: 'Resetting the Virtual Machine is required' };
    qemu.say({ error, id: qemu.received[0]?.id });
    await answer;
  });

  it('tells of events', () => {
    const heard: QmpEvent[] = [];
    connection.onEvent((event) => heard.push(event));
    qemu.say({ event: 'SHUTDOWN', data: { guest: true }, timestamp: {} });
    return settle().then(() => expect(heard).toEqual([{ event: 'SHUTDOWN', data: { guest: true } }]));
  });

  it('lets a command time out, and does not take its late answer for another', async () => {
    const late = expect(connection.execute('query-block', {}, { timeoutMs: 100 })).rejects.toMatchObject({
      reason: 'QmpTimeout',
    });
    await clock.advance(100);
    await late;
    const next = connection.execute('query-status');
    await settle();
    qemu.say({ return: 'late', id: qemu.received[0]?.id });
    qemu.say({ return: 'right', id: qemu.received[1]?.id });
    expect(await next).toBe('right');
  });

  it('fails what is under way and what comes later when QEMU ends', async () => {
    const answer = expect(connection.execute('quit')).rejects.toMatchObject({ reason: 'QmpClosed' });
    await settle();
    qemu.hangUp();
    await answer;
    await connection.closed;
    await expect(connection.execute('query-status')).rejects.toMatchObject({ reason: 'QmpClosed' });
    expect(clock.pending()).toBe(0);
  });
});
