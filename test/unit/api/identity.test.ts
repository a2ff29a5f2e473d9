import { describe, expect, it } from 'vitest';
import { derivedMac, guestId, guestUuid } from '../../../src/api/identity.ts';

const demo = { kind: 'VirtualMachine', namespace: 'default', name: 'demo' } as const;

describe('identities', () => {
  it('derive from what the guest is, so that they survive re-creation', () => {
    expect(guestUuid('cluster', demo)).toBe(guestUuid('cluster', { ...demo }));
    expect(guestUuid('cluster', demo)).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it('differ in every part, also where parts could run together', () => {
    const uuids = [
      guestUuid('cluster', demo),
      guestUuid('other', demo),
      guestUuid('cluster', { ...demo, kind: 'Container' }),
      guestUuid('cluster', { ...demo, namespace: 'defaul', name: 'tdemo' }),
      guestUuid('cluster', { ...demo, name: 'demo2' }),
    ];
    expect(new Set(uuids).size).toBe(uuids.length);
  });

  it('give names that files, sockets and control groups can bear', () => {
    expect(guestId(guestUuid('cluster', demo))).toMatch(/^[a-z2-7]{13}$/);
  });

  it('give local unicast MAC addresses, one for each interface', () => {
    const uuid = guestUuid('cluster', demo);
    expect(derivedMac(uuid, 'eth0')).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    expect(derivedMac(uuid, 'eth0')).not.toBe(derivedMac(uuid, 'eth1'));
  });
});
