/** The one door through which a guest gets another host: whatever is asked of it, without a stored proof nothing is written. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { createMemoryClient } from '../../../../src/client/memory.ts';
import type { GuestRecord, Life, Proof } from '../../../../src/cluster/ha/model.ts';
import { writeGuest } from '../../../../src/cluster/recovery/write.ts';
import { createFakeClock } from '../../../world/fakeClock.ts';
import { host, machine } from '../builders.ts';

const LIFE = { bootID: 'a1', term: 3 };
const NEXT = { bootID: 'b1', term: 1 };
const AT = '2026-01-01T00:00:00Z';
type State = NonNullable<NonNullable<VirtualMachine['status']>['ha']>['state'];

/** A guest in this state on `a`, of whose end this is stored. */
function story(state: State, proof?: Partial<Proof>, { told = 4 } = {}) {
  const clock = createFakeClock();
  const api = createMemoryClient({ clock });
  const known = { kind: 'PowerOff' as const, incident: 'a-1', ...LIFE, at: AT, ...proof };
  const ha = { state: 'Fenced' as const, life: LIFE, ...(proof === undefined ? {} : { proof: known }) };
  api.seed(Host, host('a', { ha } as NonNullable<Host['status']>));
  api.seed(
    VirtualMachine,
    machine(
      'db',
      { ha: {} },
      { placement: { host: 'a', epoch: 4, since: AT, ...LIFE }, ha: { state, epoch: told } },
    ),
  );
  const read = () => api.state.get(VirtualMachine, 'default/db') as Stored<VirtualMachine>;
  const write = (record: GuestRecord, guest = read()) =>
    writeGuest(guest, record, {
      ...{ client: api, signal: new AbortController().signal, timeoutMs: 1_000, now: clock.now() },
    });
  return { api, read, write };
}

const REBORN = { bootID: 'a2', term: 1 };

/** What a host has in its next boot. */
function reborn({ state = 'Online', life = REBORN, keeper = life, known = {} }: Partial<Reborn>) {
  const guest = { uuid: 'u', kind: 'VirtualMachine', namespace: 'default', name: 'db', uid: 'uid-db' };
  const guests = [{ ...guest, epoch: 4, running: false, ...known }];
  return { ha: { state, life }, keeper: { ...keeper, watchdog: 'Armed' }, guests } as NonNullable<
    Host['status']
  >;
}
type Reborn = { state: string; life: Life; keeper: Life; known: object };

const elsewhere: GuestRecord = { state: 'Starting', placement: { host: 'b', epoch: 5, ...NEXT } };
const recovering: GuestRecord = { state: 'Recovering', placement: { host: 'a', epoch: 4, ...LIFE } };

describe('a guest is not written to another host', () => {
  it.each<[string, Partial<Proof> | undefined]>([
    ['of whose host nothing is proven', undefined],
    ['by the proof of another boot', { bootID: 'a0' }],
    ['by the proof of another term', { term: 2 }],
    ['by a self-fence whose Lease did not list it', { kind: 'SelfFence', covers: ['uid-web@4'] }],
    ['by a self-fence that listed an earlier placement of it', { kind: 'SelfFence', covers: ['uid-db@3'] }],
  ])('%s', async (_, proof) => {
    for (const state of ['Started', 'Starting', 'Stopped', 'Stopping', 'Fencing'] as const) {
      const { write, read } = story(state, proof);
      expect([state, await write(elsewhere), await write(recovering)]).toEqual([state, 'Refused', 'Refused']);
      expect(read().status).toMatchObject({ placement: { host: 'a', epoch: 4 }, ha: { state } });
    }
  });

  it('that was handed over there untold, unless the last life of its host is proven dead', async () => {
    for (const [proof, written] of [
      [undefined, 'Refused'],
      [{ bootID: 'a0' }, 'Refused'],
      [{ kind: 'SelfFence', covers: ['uid-db@3'] }, 'Refused'],
      [{ kind: 'SelfFence', covers: ['uid-db@4'] }, 'Written'],
      [{}, 'Written'],
    ] as const) {
      const { write } = story('Started', proof as Partial<Proof>, { told: 3 });
      expect([
        proof,
        await write({ ...recovering, placement: { host: 'a', epoch: 4, bootID: '', term: 0 } }),
      ]).toEqual([proof, written]);
    }
  });

  it('whose Host is gone', async () => {
    const { api, write } = story('Fencing', {});
    await api.delete(Host, { name: 'a' });
    expect(await write(elsewhere)).toBe('Refused');
  });

  it.each<[string, ReturnType<typeof reborn>]>([
    ['whose host lives in the same boot', reborn({ life: { ...LIFE, term: 4 } })],
    ['whose host has not spoken in its new boot', reborn({ keeper: LIFE })],
    ['that its host does not remember', reborn({ known: { uid: 'uid-web' } })],
    ['that its host remembers under another epoch', reborn({ known: { epoch: 3 } })],
    ['that runs there', reborn({ known: { running: true } })],
    ['whose host is silent again', reborn({ state: 'Suspect' })],
  ])('%s', async (_, status) => {
    const { api, write } = story('Started');
    api.seed(Host, host('a', status));
    expect([await write(elsewhere), await write(recovering)]).toEqual(['Refused', 'Refused']);
  });

  it('from what has changed since it was read', async () => {
    const { api, write, read } = story('Fencing', {});
    const old = read();
    await api.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'db' },
      { metadata: { labels: { a: 'b' } } },
    );
    expect(await write(elsewhere, old)).toBe('Refused');
    expect(read().status?.placement?.host).toBe('a');
  });
});

describe('a guest is written to another host', () => {
  it.each<[string, Partial<Proof>]>([
    ['by a proof of the life it was placed in', {}],
    ['by a self-fence whose Lease listed it', { kind: 'SelfFence', covers: ['uid-db@4'] }],
  ])('%s', async (_, proof) => {
    const { write, read } = story('Fencing', proof);
    expect(await write(recovering)).toBe('Written');
    expect(await write(elsewhere)).toBe('Written');
    expect(read().status?.placement).toMatchObject({ host: 'b', epoch: 5, ...NEXT });
  });

  it('when its host remembers it in a new boot, and says that it does not run', async () => {
    const { api, write, read } = story('Started');
    api.seed(Host, host('a', reborn({})));
    expect(await write(elsewhere)).toBe('Written');
    expect(read().status?.placement).toMatchObject({ host: 'b', epoch: 5, ...NEXT });
  });

  it('when it is stored as recovering, also after its host has come back and the proof is gone', async () => {
    const { write, read } = story('Recovering');
    expect(await write(elsewhere)).toBe('Written');
    expect(read().status?.placement?.host).toBe('b');
  });
});
