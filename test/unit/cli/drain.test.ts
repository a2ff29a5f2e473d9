import { describe, expect, it } from 'vitest';
import { Host } from '../../../src/api/kinds/host.ts';
import { followDrain, printGuests, setMaintenance } from '../../../src/cli/drain.ts';
import { ApiError } from '../../../src/client/contract.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { createFakeClock, settle } from '../../world/fakeClock.ts';

const clock = createFakeClock();
const API = 'vireo.dev/v1alpha1';

describe('vireo drain', () => {
  it('asks for maintenance, and makes no Host that does not exist', async () => {
    const client = createMemoryClient({ clock });
    await expect(setMaintenance(client, 'h1', { enabled: true })).rejects.toThrow(/not found/i);
    client.seed(Host, { apiVersion: API, kind: 'Host', metadata: { name: 'h1' }, spec: {} });
    await setMaintenance(client, 'h1', { enabled: true });
    expect((await client.get(Host, { name: 'h1' })).spec.maintenance).toEqual({ enabled: true });
  });

  it('names who declares the field when that is not us', async () => {
    const intercept = ({ verb }: { verb: string }) => {
      if (verb !== 'apply') return;
      throw new ApiError(
        409,
        'Conflict',
        'Apply failed with 1 conflict: conflict with "argocd": .spec.maintenance',
      );
    };
    const client = createMemoryClient({ clock, intercept });
    client.seed(Host, { apiVersion: API, kind: 'Host', metadata: { name: 'h1' }, spec: {} });
    await expect(setMaintenance(client, 'h1', { enabled: true })).rejects.toMatchObject({
      reason: 'OwnedElsewhere',
      message: expect.stringContaining('argocd'),
    });
  });

  it('does not call it undone while another still declares it', async () => {
    const client = createMemoryClient({ clock });
    const managedFields = [{ manager: 'flux', fieldsV1: { 'f:spec': { 'f:maintenance': {} } } }];
    client.seed(Host, {
      apiVersion: API,
      kind: 'Host',
      metadata: { name: 'h1', ...{ managedFields } },
      spec: { maintenance: { enabled: true } },
    });
    await expect(setMaintenance(client, 'h1', undefined)).rejects.toThrow(/flux/);
  });

  it('prints news only, until the host may be rebooted or the time is over', async () => {
    const client = createMemoryClient({ clock });
    const say = (status: 'True' | 'False', reason: string, message: string) =>
      client.seed(Host, {
        apiVersion: API,
        kind: 'Host',
        metadata: { name: 'h1' },
        spec: {},
        status: {
          conditions: [
            { type: 'Drained', status, reason, message, lastTransitionTime: '2026-01-01T00:00:00Z' },
          ],
        },
      });
    say('False', 'Draining', 'VirtualMachine default/a: Moving');
    const printed: string[] = [];
    const options = { clock, print: (text: string) => void printed.push(text) };
    const late = followDrain(client, 'h1', { ...options, timeoutMs: 3_000 });
    await clock.advance(5_000);
    expect(await late).toBe(false);
    const follow = followDrain(client, 'h1', { ...options, timeoutMs: Number.POSITIVE_INFINITY });
    await clock.advance(5_000);
    say('True', 'Drained', 'no guest runs here: the host may be rebooted');
    await clock.advance(2_000);
    await settle();
    expect(await follow).toBe(true);
    expect(printed).toEqual([
      'Draining: VirtualMachine default/a: Moving\n',
      'Draining: VirtualMachine default/a: Moving\n',
      'Drained: no guest runs here: the host may be rebooted\n',
    ]);
  });

  it('shows what would become of each guest', () => {
    expect(
      printGuests([
        { kind: 'VirtualMachine', namespace: 'default', name: 'a', state: 'Moving' },
        {
          kind: 'Container',
          namespace: 'shop',
          name: 'c',
          state: 'Blocked',
          message: 'there is no other Host',
        },
      ]),
    ).toBe(
      'GUEST   NAMESPACE   STATE     MESSAGE\nvm/a    default     Moving\nct/c    shop        Blocked   there is no other Host\n',
    );
  });
});
