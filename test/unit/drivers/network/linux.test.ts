/** The pure parts of the Linux network: subnets, names, rules and the tables of the DHCP server. */
import { describe, expect, it } from 'vitest';
import { dnsmasqTables } from '../../../../src/drivers/network/linux/dnsmasq.ts';
import { natRules } from '../../../../src/drivers/network/linux/firewall.ts';
import { neighbours, routes } from '../../../../src/drivers/network/linux/kernel.ts';
import { readLeases } from '../../../../src/drivers/network/linux/leases.ts';
import { tapMac } from '../../../../src/drivers/network/linux/links.ts';
import {
  chooseAddress,
  chooseSubnet,
  formatSubnet,
  overlap,
  parseSubnet,
} from '../../../../src/drivers/network/linux/subnet.ts';
import { interfaceName } from '../../../../src/drivers/network/names.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const { files } = realWorld();
const holding = (texts: Readonly<Record<string, string>>) => ({
  ...files,
  readText: async (path: string) => texts[path],
});

describe('the choice of a subnet', () => {
  it('takes the preferred one when no route of the host overlaps', () => {
    const used = [parseSubnet('192.168.1.0/24'), parseSubnet('10.78.0.0/16')];
    expect(formatSubnet(chooseSubnet(parseSubnet('10.77.5.0/24'), used, 'ab12'))).toBe('10.77.5.0/24');
  });

  it('takes another when a wide or a narrow route overlaps', () => {
    for (const route of ['10.77.0.0/16', '10.77.5.128/25']) {
      const used = [parseSubnet(route)];
      const chosen = chooseSubnet(parseSubnet('10.77.5.0/24'), used, 'ab12');
      expect(used.some((other) => overlap(chosen, other))).toBe(false);
      expect(chosen.prefix).toBe(24);
    }
  });

  it('begins elsewhere for each scope, so that two agents do not race for the same', () => {
    const used = [parseSubnet('10.77.5.0/24')];
    const chosen = ['ab12', 'cd34'].map((scope) =>
      formatSubnet(chooseSubnet(parseSubnet('10.77.5.0/24'), used, scope)),
    );
    expect(new Set(chosen).size).toBe(2);
  });

  it('says so when the host has routes to everything', () => {
    expect(() => chooseSubnet(parseSubnet('10.77.5.0/24'), [parseSubnet('10.0.0.0/8')], 'ab12')).toThrow(
      /no \/24/,
    );
  });

  it('refuses what is no subnet', () => {
    for (const text of ['10.0.0.0', '10.0.0.300/24', 'x', '10.0.0.0/33'])
      expect(() => parseSubnet(text)).toThrow(/IPv4 subnet/);
    expect(() => chooseSubnet(parseSubnet('10.0.0.0/16'), [], 'ab12')).toThrow(/must be a \/24/);
  });
});

describe('the choice of an address', () => {
  const subnet = parseSubnet('10.77.5.0/24');

  it('gives the same guest the same address', () => {
    const first = chooseAddress(subnet, new Set(), '02:00:00:00:00:01');
    expect(chooseAddress(subnet, new Set(), '02:00:00:00:00:01')).toBe(first);
    expect(chooseAddress(subnet, new Set([first ?? '']), '02:00:00:00:00:01')).not.toBe(first);
  });

  it('gives every address but those of the bridge and of the broadcast, each once', () => {
    const taken = new Set<string>();
    for (let number = 0; number < 253; number += 1) {
      const address = chooseAddress(subnet, taken, `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`);
      taken.add(address ?? '');
    }
    expect(taken.size).toBe(253);
    for (const reserved of ['10.77.5.0', '10.77.5.1', '10.77.5.255']) expect(taken.has(reserved)).toBe(false);
    expect(chooseAddress(subnet, taken, '02:00:00:00:00:fe')).toBeUndefined();
  });
});

describe('what the kernel says', () => {
  it('is read as routes without the default one', async () => {
    const table = [
      'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    ].join('\n');
    const found = await routes(holding({ '/proc/self/net/route': table }));
    expect(found.map((route) => `${route.device} ${formatSubnet(route.subnet)}`)).toEqual([
      'eth0 192.0.2.0/24',
    ]);
  });

  it('is read as neighbours without the unanswered ones', async () => {
    const table = [
      'IP address       HW type     Flags       HW address            Mask     Device',
      '10.0.0.5         0x1         0x2         02:AA:00:00:00:01     *        br0',
      '10.0.0.6         0x1         0x0         00:00:00:00:00:00     *        br0',
    ].join('\n');
    const found = await neighbours(holding({ '/proc/self/net/arp': table }));
    expect(found).toEqual([{ address: '10.0.0.5', mac: '02:aa:00:00:00:01' }]);
  });

  it('is read as leases of dnsmasq, its own lines left out', async () => {
    const text = '1790000000 02:00:00:00:00:01 10.77.5.9 anna 01:02:00:00:00:00:01\nduid 00:01:00:01\n';
    const found = await readLeases(holding({ '/leases': text }), '/leases');
    expect(found.map(({ mac, address }) => ({ mac, address }))).toEqual([
      { mac: '02:00:00:00:00:01', address: '10.77.5.9' },
    ]);
  });
});

describe('what the NAT network is made of', () => {
  it('is a table of its own that replaces an older one', () => {
    expect(natRules('vireo_ab12', 'vbab12', parseSubnet('10.77.5.0/24'), true)).toMatchInlineSnapshot(`
      "add table inet vireo_ab12
      delete table inet vireo_ab12
      table inet vireo_ab12 {
        chain forwarding_was_off {
        }
        chain postrouting {
          type nat hook postrouting priority srcnat; policy accept;
          ip saddr 10.77.5.0/24 oifname != "vbab12" masquerade
        }
        chain forward {
          type filter hook forward priority filter; policy accept;
          iifname "vbab12" accept
          oifname "vbab12" ct state established,related accept
          oifname "vbab12" ct status dnat accept
          oifname "vbab12" drop
        }
      }
      "
    `);
  });

  it('is served by tables in which a guest has its address and its name', () => {
    const guest = { guestId: 'g', nic: 'net0', ifname: 'vtab12', plug: 'Tap' as const, bridge: 'vbab12' };
    const tables = dnsmasqTables([
      { ...guest, mac: '02:00:00:00:00:01', hostname: 'web', namespace: 'shop', address: '10.77.5.9' },
    ]);
    expect(tables).toEqual({
      hosts: '10.77.5.9 web.shop.vireo.internal\n',
      dhcpHosts: '02:00:00:00:00:01,10.77.5.9,web\n',
    });
  });

  it("gives a tap a high MAC that is never the guest's own: a bridge keeps for the host what is sent to that", () => {
    expect(tapMac('02:00:00:00:00:01')).toBe('fe:00:00:00:00:01');
    expect(tapMac('fe:9e:7b:00:43:06')).toBe('fa:9e:7b:00:43:06');
  });

  it('names interfaces by scope, guest and interface', () => {
    const names = [
      interfaceName('ab12', 'Tap', 'guest1', 'net0'),
      interfaceName('ab12', 'Tap', 'guest1', 'net1'),
      interfaceName('ab12', 'Tap', 'guest2', 'net0'),
      interfaceName('cd34', 'Tap', 'guest1', 'net0'),
      interfaceName('ab12', 'Veth', 'guest1', 'net0'),
    ];
    expect(new Set(names).size).toBe(5);
    expect(names.every((name) => /^v[tv][0-9a-f]{13}$/.test(name))).toBe(true);
  });
});
