/** What is asked of the agent inside a machine, and all the ways in which it may not answer. */
import { Duplex, PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Sockets } from '../../../../src/base/sockets.ts';
import { askGuestAgent } from '../../../../src/drivers/hypervisor/qemu/guestAgent.ts';
import { createFakeClock, settle } from '../../../world/fakeClock.ts';
import { seededRandom } from '../../../world/seededRandom.ts';

/** An agent that answers what `answer` says to each command; undefined: not at all. */
function guestWith(answer: (command: string, id: unknown) => string | undefined) {
  const [toClient, toGuest] = [new PassThrough(), new PassThrough()];
  const heard: string[] = [];
  toGuest.on('data', (chunk: Buffer) => {
    for (const text of chunk.toString('latin1').split('\n')) {
      if (!text.includes('{')) continue;
      const { execute, arguments: values } = JSON.parse(text.replace('\u00ff', ''));
      heard.push(execute);
      const said = answer(execute, values?.id);
      if (said !== undefined) toClient.write(Buffer.from(said, 'latin1'));
    }
  });
  const stream = Duplex.from({ readable: toClient, writable: toGuest });
  stream.on('error', () => {});
  const sockets: Sockets = {
    connectUnix: async () => stream,
    listenForOne: () => Promise.reject(new Error('nobody calls')),
    listenForOneAt: () => Promise.reject(new Error('nobody calls')),
  };
  const clock = createFakeClock();
  const ask = (command: string) =>
    askGuestAgent({ sockets, clock, random: seededRandom() }, '/g', command, 1_000);
  return { ask, heard, clock, hangUp: () => toClient.end(), toClient };
}

const synced = (id: unknown) => `\u00ff{"return": ${String(id)}}\n`;

describe('the agent of a guest', () => {
  it('is found in step first, then asked', async () => {
    const { ask, heard } = guestWith((command, id) =>
      command === 'guest-sync-delimited' ? synced(id) : '{"return": 2}\n',
    );
    expect(await ask('guest-fsfreeze-freeze')).toBe(2);
    expect(heard).toEqual(['guest-sync-delimited', 'guest-fsfreeze-freeze']);
  });

  it('may still say what an earlier client asked: half an answer and a whole one are passed over', async () => {
    const { ask } = guestWith((command, id) =>
      command === 'guest-sync-delimited'
        ? `: {}}\n{"return": "of another"}\n${synced(id)}`
        : '{"return": 1}\n',
    );
    expect(await ask('guest-fsfreeze-thaw')).toBe(1);
  });

  it('may refuse, in its own words', async () => {
    const { ask } = guestWith((command, id) =>
      command === 'guest-sync-delimited' ? synced(id) : '{"error": {"desc": "no file system"}}\n',
    );
    await expect(ask('guest-fsfreeze-freeze')).rejects.toMatchObject({
      reason: 'GuestAgentRefused',
      message: expect.stringContaining('no file system'),
    });
  });

  it('may be silent: then that is said in time, and nothing waits any more', async () => {
    const { ask, clock } = guestWith((command, id) =>
      command === 'guest-sync-delimited' ? synced(id) : undefined,
    );
    const asking = expect(ask('guest-fsfreeze-freeze')).rejects.toMatchObject({ reason: 'GuestAgentSilent' });
    await settle();
    await clock.advance(1_000);
    await asking;
    expect(clock.pending()).toBe(0);
  });

  it('may hang up', async () => {
    const { ask, hangUp } = guestWith(() => undefined);
    const asking = expect(ask('guest-fsfreeze-freeze')).rejects.toMatchObject({ reason: 'GuestAgentSilent' });
    await settle();
    hangUp();
    await asking;
  });
});
