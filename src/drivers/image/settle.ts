/** Makes a fresh Debian root fit for many containers: no identity of its own, an address by DHCP, and an end by SIGPWR. */
import type { Files } from '../../base/files.ts';

/** DHCP on every Ethernet interface (systemd.network(5)). */
const networkConfig = `[Match]
Name=eth*

[Network]
DHCP=yes

[DHCPv4]
UseDomains=yes
`;

/**
 * An unprivileged container sees a writable /sys, from which networkd concludes that udev will announce the interfaces, and waits for ever.
 * A read-only /sys is what it takes for "no udev here" (sd_device and `udev_available` in systemd's sources).
 */
const networkdOverride = `[Service]
ReadOnlyPaths=/sys
`;

/** Without systemd-resolved nobody writes down the DNS server that DHCP has named. */
const resolverPath = `[Unit]
Description=Watch for DNS servers from DHCP

[Path]
PathChanged=/run/systemd/netif/state
Unit=dhcp-resolver.service

[Install]
WantedBy=multi-user.target
`;
const resolverService = `[Unit]
Description=Write DNS servers from DHCP to resolv.conf

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/dhcp-resolver
`;

/** The state is read as text, never run: what stands there came over the network. */
const resolverScript = `#!/bin/sh
{
  sed -n 's/^DOMAINS=/search /p' /run/systemd/netif/state
  sed -n 's/^DNS=//p' /run/systemd/netif/state | tr ' ' '\\n' | sed 's/^/nameserver /'
} >/etc/resolv.conf
`;

/** Changes the root in place; a root without systemd gets only what concerns its own init. */
export async function settleRoot(files: Files, root: string): Promise<void> {
  await files.remove(`${root}/etc/hostname`);
  await files.writeAtomic(`${root}/etc/machine-id`, '');
  if ((await files.stat(`${root}/etc/resolv.conf`))?.kind === 'File')
    await files.remove(`${root}/etc/resolv.conf`);
  if ((await files.stat(`${root}/etc/systemd/system`)) !== undefined) await settleSystemd(files, root);
  const inittab = await files.readText(`${root}/etc/inittab`);
  if (inittab !== undefined && !inittab.includes('powerwait')) {
    await files.writeAtomic(`${root}/etc/inittab`, `${inittab}\npf::powerwait:/sbin/shutdown -h now\n`);
  }
}

async function settleSystemd(files: Files, root: string): Promise<void> {
  const units = `${root}/etc/systemd/system`;
  const wants = `${units}/multi-user.target.wants`;
  const override = `${units}/systemd-networkd.service.d`;
  for (const directory of [`${root}/etc/systemd/network`, wants, override])
    await files.makeDirectory(directory);
  await files.writeAtomic(`${root}/etc/systemd/network/80-dhcp.network`, networkConfig);
  await files.writeAtomic(`${override}/container.conf`, networkdOverride);
  await enable(files, wants, 'systemd-networkd.service', '/lib/systemd/system/systemd-networkd.service');
  if ((await files.stat(`${root}/lib/systemd/systemd-resolved`)) !== undefined) return;
  await files.makeDirectory(`${root}/usr/local/sbin`);
  await files.writeAtomic(`${root}/usr/local/sbin/dhcp-resolver`, resolverScript, { mode: 0o755 });
  await files.writeAtomic(`${units}/dhcp-resolver.path`, resolverPath);
  await files.writeAtomic(`${units}/dhcp-resolver.service`, resolverService);
  await enable(files, wants, 'dhcp-resolver.path', '/etc/systemd/system/dhcp-resolver.path');
}

async function enable(files: Files, wants: string, unit: string, target: string): Promise<void> {
  if ((await files.stat(`${wants}/${unit}`)) === undefined) await files.symlink(target, `${wants}/${unit}`);
}
