/** To whom a host gives what lies in its archives, and to whom it does not. */
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { answerArchive } from '../../../src/agent/archives/answer.ts';
import type { ArchiveQuestion } from '../../../src/agent/archives/question.ts';
import { answerPeer } from '../../../src/agent/peers/answer.ts';
import { type Answer, readLine, writeLine } from '../../../src/agent/peers/peers.ts';
import type { SnapshotWorld } from '../../../src/agent/snapshots/world.ts';
import { Backup } from '../../../src/api/kinds/backup.ts';

type Asked = ArchiveQuestion['archive'];

const asked: Asked = {
  backup: { namespace: 'default', name: 'first', uid: 'b-1' },
  volume: 'root',
  guest: { kind: 'VirtualMachine', namespace: 'default', name: 'web', uid: 'g-1' },
  epoch: 3,
  restore: { name: 'back', uid: 'r-1' },
};
const restore = {
  metadata: { uid: 'r-1' },
  spec: { backup: 'first', guest: { kind: 'VirtualMachine', name: 'web' } },
  status: { host: 'h2' } as { host: string; completedAt?: string },
};
const facts = {
  backup: { metadata: { uid: 'b-1' }, spec: { pool: 'local' }, status: { phase: 'Succeeded' } },
  restore,
  guest: { metadata: { uid: 'g-1' }, status: { placement: { host: 'h2', epoch: 3 } } },
  plans: [] as object[],
  allowedNamespaces: undefined as string[] | undefined,
};

async function ask(
  said: Partial<Asked>,
  more: Partial<typeof facts> = {},
  peer = 'h2',
): Promise<Answer & { sent: string[] }> {
  const stands = { ...facts, ...more };
  const sent: string[] = [];
  const archives = { send: async (name: string, volume: string) => void sent.push(`${name}/${volume}`) };
  const pool = { type: 'Open', driver: { archives }, allowedNamespaces: stands.allowedNamespaces };
  const world = {
    guests: {
      client: {
        find: async ({ kind }: { kind: string }) => (kind === Backup.kind ? stands.backup : stands.restore),
      },
      pools: { get: () => pool },
    },
    hands: () => ({ read: async () => stands.guest, plans: () => stands.plans }),
  } as unknown as SnapshotWorld;
  const [ours, theirs] = duplexPair();
  writeLine(theirs, { version: 1, archive: { ...asked, ...said } });
  const archive = (...what: [string, ArchiveQuestion, typeof ours, AbortSignal]) =>
    answerArchive(world, ...what);
  const [answer] = await Promise.all([
    readLine<Answer>(theirs),
    answerPeer({ archive }, peer, ours, new AbortController().signal),
  ]);
  theirs.destroy();
  return { ...answer, sent };
}

describe('a host with an archive', () => {
  it('sends a volume of it to where the guest is that a Restore gives it to', async () => {
    expect(await ask({})).toEqual({ ok: true, sent: ['backup-b-1/root'] });
  });

  it('sends it to where a guest is that is made from it', async () => {
    const plans = [{ name: 'system', restore: { backup: 'first', disk: 'root' } }];
    const { restore: _, ...made } = asked;
    expect(await ask({ ...made, restore: undefined as never }, { plans })).toMatchObject({ ok: true });
  });

  it.each([
    ['another host than the guest is on', {}, {}, 'h3'],
    ['an earlier stay of it', { epoch: 2 }, {}, 'h2'],
    ['another guest of its name', { guest: { ...asked.guest, uid: 'g-0' } }, {}, 'h2'],
    ['a guest of another namespace', { guest: { ...asked.guest, namespace: 'other' } }, {}, 'h2'],
    [
      'a Restore that is over',
      {},
      { restore: { ...restore, status: { host: 'h2', completedAt: 'then' } } },
      'h2',
    ],
    [
      'a Restore of another Backup',
      {},
      { restore: { ...restore, spec: { ...restore.spec, backup: 'x' } } },
      'h2',
    ],
    ['a guest that is not made from it', { restore: undefined as never }, {}, 'h2'],
    ['a namespace that its pool is not for', {}, { allowedNamespaces: ['other'] }, 'h2'],
  ])('sends nothing to %s', async (_who, said, more, peer) => {
    expect(await ask(said, more, peer)).toMatchObject({ ok: false, reason: 'NotRestoring', sent: [] });
  });

  it('says that a Backup has gone, and one made anew of its name is another', async () => {
    const backup = { ...facts.backup, metadata: { uid: 'b-0' } };
    expect(await ask({}, { backup })).toMatchObject({ ok: false, reason: 'BackupNotFound', sent: [] });
  });

  it('says that it does not understand what it was never told of', async () => {
    const [ours, theirs] = duplexPair();
    writeLine(theirs, { version: 1, weather: {} });
    const [answer] = await Promise.all([
      readLine<Answer>(theirs),
      answerPeer({}, 'h2', ours, new AbortController().signal),
    ]);
    expect(answer).toMatchObject({ ok: false, reason: 'PeerNotUnderstood' });
  });
});
