/**
 * What a fresh machine lacks: npm packages, the build, system packages. Plain JavaScript without dependencies, because it runs before any of
 * them exist. Each step says in one line what it does; nothing is done twice.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Program (or file, with a leading slash) -> package that brings it, on Debian/Ubuntu and on Fedora/RHEL (undefined: not needed there). */
const SYSTEM_PACKAGES = [
  ['ip', 'iproute2', 'iproute'],
  ['qemu-system-x86_64', 'qemu-system-x86', 'qemu-system-x86-core'],
  ['qemu-img', 'qemu-utils', 'qemu-img'],
  ['/usr/share/seabios/bios-256k.bin', 'seabios', 'seabios-bin'],
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', 'ovmf', 'edk2-ovmf'],
  ['lxc-start', 'lxc', 'lxc'],
  ['newuidmap', 'uidmap', 'shadow-utils'],
  ['apparmor_parser', 'apparmor', undefined],
  ['dnsmasq', 'dnsmasq-base', 'dnsmasq'],
  ['nft', 'nftables', 'nftables'],
  ['busybox', 'busybox-static', 'busybox'],
  ['cpio', 'cpio', 'cpio'],
  ['debootstrap', 'debootstrap', 'debootstrap'],
  ['mcopy', 'mtools', 'mtools'],
  ['mkfs.vfat', 'dosfstools', 'dosfstools'],
  ['sfdisk', 'fdisk', 'util-linux'],
  ['grub-mkimage', 'grub-common', 'grub2-tools-extra'],
  ['/usr/lib/SYSLINUX/gptmbr.bin', 'syslinux', 'syslinux'],
  ['/usr/lib/grub/x86_64-efi/fat.mod', 'grub-efi-amd64-bin', 'grub2-efi-x64-modules'],
  ['depmod', 'kmod', 'kmod'],
  ['zstd', 'zstd', 'zstd'],
  ['xz', 'xz-utils', 'xz'],
  ['flock', 'util-linux', 'util-linux'],
  ['mkfs.btrfs', 'btrfs-progs', 'btrfs-progs'],
  ['rsync', 'rsync', 'rsync'],
  ['openssl', 'openssl', 'openssl'],
  ['age', 'age', 'age'],
  ['wdctl', 'util-linux', 'util-linux'],
];

/** What only the end-to-end tests need: fence agents and the devices they fence. */
const TEST_PACKAGES = [
  ['fence_ipmilan', 'fence-agents', 'fence-agents-ipmilan'],
  ['fence_apc_snmp', 'fence-agents', 'fence-agents-apc-snmp'],
  ['fence_ifmib', 'fence-agents', 'fence-agents-ifmib'],
  ['ipmi_sim', 'openipmi', 'OpenIPMI-lanserv'],
  ['ipmitool', 'ipmitool', 'ipmitool'],
  ['snmpd', 'snmpd', 'net-snmp'],
  ['systemctl', 'systemd', 'systemd'],
  ['snmpget', 'snmp', 'net-snmp-utils'],
];

function say(text) {
  process.stdout.write(`${text}\n`);
}

function run(argv, options = {}) {
  const result = spawnSync(argv[0], argv.slice(1), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.status === 0) return;
  const text = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-15).join('\n');
  throw new Error(`${argv.join(' ')} failed${result.error ? ` (${result.error.message})` : ''}:\n${text}`);
}

const PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', ...(process.env.PATH ?? '').split(':')];

function present(what) {
  return what.startsWith('/') ? existsSync(what) : PATH.some((folder) => existsSync(join(folder, what)));
}

/** npm packages as package-lock.json says. */
export function installPackages() {
  const lock = join(root, 'package-lock.json');
  const stamp = join(root, 'node_modules/.package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing npm packages (npm ci)');
  run(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

function newest(folder) {
  return Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs),
  );
}

/** dist/ from src/, when src/ is newer. */
export function build() {
  const built = join(root, 'dist/vireo.js');
  if (existsSync(built) && statSync(built).mtimeMs > Math.max(newest(join(root, 'src')), statSync(join(root, 'package.json')).mtimeMs)) return;
  say('building dist/ (npm run build)');
  run([process.execPath, 'scripts/build.mjs']);
}

function missingOf(packages) {
  const fedora = !present('apt-get') && present('dnf');
  return [...new Set(packages.filter(([what]) => !present(what)).map(([, debian, rpm]) => (fedora ? rpm : debian)).filter((name) => name !== undefined))];
}

export function missingSystemPackages() {
  return missingOf(SYSTEM_PACKAGES);
}

/** Missing system packages through apt or dnf, those of the end-to-end tests too if wanted; needs root or sudo. */
export function installSystemPackages({ forTests = false } = {}) {
  const missing = missingOf(forTests ? [...SYSTEM_PACKAGES, ...TEST_PACKAGES] : SYSTEM_PACKAGES);
  if (missing.length === 0) return;
  for (const name of missing) say(`system package missing: ${name}`);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  if (present('apt-get')) {
    say('installing them (apt-get install)');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run([...sudo, 'apt-get', 'update', '-qq'], { env });
    run([...sudo, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...missing], { env });
  } else if (present('dnf')) {
    say('installing them (dnf install)');
    run([...sudo, 'dnf', 'install', '-y', '-q', '--setopt=install_weak_deps=False', ...missing]);
  } else {
    throw new Error(`neither apt-get nor dnf is here: install ${missing.join(', ')} by hand and run this again`);
  }
}

export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Error(`Node.js ${process.versions.node} is too old: Vireo needs 20.19 or newer`);
}

export function version() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
}
