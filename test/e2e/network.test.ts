/** The real network of a host: bridges, taps, DHCP and DNS by dnsmasq, rules by nftables, and no trace of them afterwards. Needs root. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkDriver, NicAttachment } from '../../src/drivers/network/contract.ts';
import { networkSuite } from '../contract/network/suite.ts';
import { run, until } from './harness/commands.ts';
import { makeNetworkHost, type NetworkHost } from './network/lab.ts';

networkSuite('Linux', async () => {
  const host = await makeNetworkHost();
  return { open: () => host.open(), bridge: 'br0', forbidden: 'br1', missing: 'br9', remove: host.remove };
});

const macs = { anna: '02:00:00:00:00:0a', bert: '02:00:00:00:00:0b' };
const anna = { id: 'annaannaanna2', hostname: 'anna', namespace: 'shop' };
const bert = { id: 'bertbertbert2', hostname: 'bert', namespace: 'shop' };
const nat = (mac: string) => ({ name: 'net0', mac, to: { type: 'Nat' as const } });

describe('the NAT network of a host', () => {
  let host: NetworkHost;
  let network: NetworkDriver;
  let before: string;

  beforeEach(async () => {
    host = await makeNetworkHost();
    before = await host.trace();
    network = host.open();
  });
  afterEach(() => host.remove());

  const serverPid = async () =>
    Number((await run(['pgrep', '-f', `dnsmasq.*${host.directory}`])).stdout.trim());
  const tapNames = async () =>
    (await host.exec('ip', '-br', 'link')).split('\n').filter((line) => line.startsWith('vt'));

  it('gives a guest its reserved address and its name by DHCP', async () => {
    const guest = await host.guest(await network.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    const lease = await guest.requestAddress();
    expect(lease).toMatchObject({
      hostname: 'anna',
      domain: 'vireo.internal',
      router: '10.211.7.1',
      mask: '24',
    });
    expect(await network.addresses([macs.anna])).toEqual([{ mac: macs.anna, addresses: [lease.ip] }]);
  });

  it('finds the address of a guest that goes on with one it no longer has a lease of', async () => {
    const guest = await host.guest(await network.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    const { ip } = await guest.requestAddress();
    await host.exec('kill', String(await serverPid()));
    await rm(join(host.directory, 'e2e1', 'state', 'leases'));
    await network.repair();
    await host.exec('ip', 'neigh', 'flush', 'all');
    await until(
      'its address is known',
      async () => (await network.addresses([macs.anna]))[0]?.addresses[0] === ip,
    );
  });

  it('answers DNS for guests by the name of their object, not by the name they claim', async () => {
    const guest = await host.guest(await network.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    await network.attach(bert, nat(macs.bert), 'Veth');
    const lease = await guest.requestAddress();
    const resolve = (name: string) =>
      guest.exec('busybox', 'nslookup', '-type=a', name, '10.211.7.1').catch(String);
    expect(await resolve('anna.shop.vireo.internal')).toContain(String(lease.ip));
    expect(await resolve('bert.shop.vireo.internal')).toMatch(/10\.211\.7\.\d+\s*$/m);
    for (const name of ['pretender.vireo.internal', 'anna.vireo.internal', 'anna', 'pretender']) {
      expect(await resolve(name)).toMatch(/NXDOMAIN|can't find/);
    }
  });

  it('serves nobody without a reservation', async () => {
    const attachment = await network.attach(anna, nat(macs.anna), 'Veth');
    const stranger = await host.guest(attachment, '02:00:00:00:00:ff');
    await expect(stranger.requestAddress(2)).rejects.toThrow();
  });

  it('lets guests out to other networks behind the host, and strangers not in', async () => {
    const guest = await host.guest(await network.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    const { ip = '' } = await guest.requestAddress();
    await host.exec('ip', 'link', 'set', 'br1', 'up');
    const outside = await host.guest({ type: 'Veth', ifname: 'out0', bridge: 'br1' }, '02:00:00:00:01:01');
    await host.exec('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'br1');
    await outside.exec('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
    await outside.exec('ip', 'route', 'add', '10.211.7.0/24', 'via', '192.0.2.1');
    expect(await guest.exec('busybox', 'ping', '-c', '1', '-W', '3', '192.0.2.2')).toContain(
      '1 packets received',
    );
    await expect(outside.exec('busybox', 'ping', '-c', '1', '-W', '1', ip)).rejects.toThrow();
  });

  it('leaves no trace after teardown', async () => {
    await network.attach(anna, nat(macs.anna), 'Tap');
    await network.attach(
      bert,
      { name: 'net0', mac: macs.bert, to: { type: 'Bridge', bridge: 'br0' } },
      'Tap',
    );
    expect(await tapNames()).toHaveLength(2);
    expect(await host.exec('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('1\n');
    await host.open().teardown();
    expect(await host.trace()).toBe(before);
  });

  it('keeps forwarding on where it was on before', async () => {
    await host.exec('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
    await network.attach(anna, nat(macs.anna), 'Tap');
    await network.teardown();
    expect(await host.exec('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('1\n');
  });

  it('takes taps away with their guest', async () => {
    await network.attach(anna, nat(macs.anna), 'Tap');
    expect(await tapNames()).toHaveLength(1);
    await host.open().detach(anna.id, 'net0');
    expect(await tapNames()).toEqual([]);
  });

  it('gives two agents side by side networks of their own, and the last one turns forwarding off', async () => {
    const other = host.open('e2e2');
    const first = await host.guest(await network.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    const second = await host.guest(await other.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    const [lease, otherLease] = [await first.requestAddress(), await second.requestAddress()];
    expect(lease.router).toBe('10.211.7.1');
    expect(otherLease.router).not.toBe(lease.router);
    await expect(
      first.exec('busybox', 'ping', '-c', '1', '-W', '1', String(otherLease.ip)),
    ).rejects.toThrow();
    await network.teardown();
    expect(await second.exec('busybox', 'ping', '-c', '1', '-W', '3', String(otherLease.router))).toContain(
      '1 packets received',
    );
    expect(await host.exec('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('1\n');
    await other.teardown();
    expect(await host.exec('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('0\n');
  });

  it('takes another subnet when a route of the host overlaps with its own', async () => {
    await host.exec('ip', 'link', 'set', 'br1', 'up');
    await host.exec('ip', 'addr', 'add', '10.211.0.1/16', 'dev', 'br1');
    await network.attach(anna, nat(macs.anna), 'Tap');
    const { nat: facts } = await network.facts();
    expect(facts?.subnet).toMatch(/^10\.\d+\.\d+\.0\/24$/);
    expect(facts?.subnet).not.toMatch(/^10\.211\./);
  });

  it('finds its server again after a restart of the agent and does not start a second', async () => {
    await network.attach(anna, nat(macs.anna), 'Veth');
    const pid = await serverPid();
    const reopened = host.open();
    const attachment = await reopened.attach(bert, nat(macs.bert), 'Veth');
    const lease = await (await host.guest(attachment, macs.bert)).requestAddress();
    expect(lease.hostname).toBe('bert');
    expect(await serverPid()).toBe(pid);
  });

  it('keeps one server through guests that come, take a lease and go', async () => {
    const pids = new Set<number>();
    for (const mac of ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:03']) {
      const guest = await host.guest(await network.attach({ ...anna, id: mac }, nat(mac), 'Veth'), mac);
      expect(await guest.requestAddress()).toMatchObject({ hostname: 'anna' });
      await network.attach(bert, nat(macs.bert), 'Veth');
      await network.detach(bert.id, 'net0');
      pids.add(await serverPid());
    }
    await network.detach('02:00:00:00:00:01', 'net0');
    pids.add(await serverPid());
    expect(pids.size).toBe(1);
  });

  it('keeps its subnet and the addresses in use when its record is lost', async () => {
    const guest = await host.guest(await network.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    const { ip } = await guest.requestAddress();
    await rm(join(host.directory, 'e2e1', 'state', 'network.json'));
    await host.exec('ip', 'link', 'set', 'br1', 'up');
    await host.exec('ip', 'addr', 'add', '10.211.0.1/16', 'dev', 'br1');
    const reopened = host.open();
    const second = await host.guest(await reopened.attach(bert, nat(macs.bert), 'Veth'), macs.bert);
    const lease = await second.requestAddress();
    expect(lease.router).toBe('10.211.7.1');
    expect(lease.ip).not.toBe(ip);
  });

  it('comes back whole when its server was killed and its bridge removed', async () => {
    const guest = await host.guest(await network.attach(anna, nat(macs.anna), 'Veth'), macs.anna);
    const { ip } = await guest.requestAddress();
    process.kill(await serverPid(), 'SIGKILL');
    await host.exec('ip', 'link', 'delete', 'vbe2e1');
    await host.exec('nft', 'flush', 'ruleset');
    await until('the server is gone', async () => !(await serverPid()));
    await host.open().repair();
    expect((await guest.requestAddress()).ip).toBe(ip);
  });

  it('gives the address of a guest that is gone to another when no fresh one is left', async () => {
    const guests = Array.from({ length: 253 }, (_, number) => ({
      guest: { ...anna, id: `guest${number}` },
      wish: nat(`02:00:00:00:01:${number.toString(16).padStart(2, '0')}`),
    }));
    const first: NicAttachment[] = [];
    for (const { guest, wish } of guests) first.push(await network.attach(guest, wish, 'Veth'));
    await expect(network.attach(bert, nat(macs.bert), 'Veth')).rejects.toMatchObject({
      reason: 'AddressesExhausted',
    });
    const [gone] = guests;
    const [place] = first;
    if (gone === undefined || place === undefined) throw new Error('no guest was made');
    const old = await (await host.guest(place, gone.wish.mac)).requestAddress();
    await network.detach(gone.guest.id, 'net0');
    const successor = await host.guest(await network.attach(bert, nat(macs.bert), 'Veth'), macs.bert);
    expect((await successor.requestAddress()).ip).toBe(old.ip);
  });

  it('attaches a container within a few milliseconds once the network stands', async () => {
    await network.attach(anna, nat(macs.anna), 'Veth');
    const spawned: string[] = [];
    const { run: runProgram } = host.world.processes;
    host.world.processes.run = (argv, options) => {
      spawned.push(argv[0] ?? '');
      return runProgram(argv, options);
    };
    await network.attach(bert, nat(macs.bert), 'Veth');
    expect(spawned).toEqual([]);
  });

  it('says that a forward chain of somebody else drops what guests send', async () => {
    await host.exec('nft', 'add table ip docker');
    await host.exec(
      'nft',
      'add chain ip docker FORWARD { type filter hook forward priority 0; policy drop; }',
    );
    expect((await network.facts()).problems).toMatchObject([{ reason: 'ForwardingBlocked' }]);
  });
});
