/** A network that only remembers who is plugged in; it outlives the agent, as taps do. */
import type { NetworkDriver, NicAttachment } from '../../../src/drivers/network/contract.ts';

export type Plugs = Map<string, { mac: string; attachment: NicAttachment }>;

export function createFakeNetwork(plugs: Plugs): NetworkDriver {
  const attachmentOf = (key: string, to: string, as: 'Tap' | 'Veth'): NicAttachment =>
    to === 'User' ? { type: 'User' } : { type: as, ifname: `if-${key}`.slice(0, 15), bridge: 'vbr0' };
  return {
    facts: async () => ({ bridges: [], problems: [] }),
    attach: async (guest, nic, as) => {
      const key = `${guest.id}/${nic.name}`;
      const attachment = attachmentOf(key, nic.to.type, as);
      plugs.set(key, { mac: nic.mac, attachment });
      return attachment;
    },
    detach: async (guestId, name) => void plugs.delete(`${guestId}/${name}`),
    addresses: async (macs) =>
      macs.flatMap((mac) => {
        const index = [...plugs.values()].findIndex((plug) => plug.mac === mac);
        return index < 0 ? [] : [{ mac, addresses: [`10.193.7.${index + 2}`] }];
      }),
    holders: async () => [...new Set([...plugs.keys()].map((key) => key.split('/')[0] ?? ''))],
    teardown: async () => plugs.clear(),
    repair: async () => {},
  };
}
