/** The small userland of both demo guests: one static busybox with its links, and the few files that init and DHCP need. */
import type { World } from '../../base/world.ts';
import { runOrFail } from './command.ts';
import { directory, type Entry, file } from './entries.ts';
import { udhcpcScript } from './init.ts';
import { requireProgram } from './tools.ts';

const directories = [
  'bin',
  'dev',
  'etc',
  'lib',
  'proc',
  'run',
  'sbin',
  'sys',
  'usr',
  'var',
  'usr/bin',
  'usr/sbin',
];

/**
 * The entries of the userland without its init. Throws ReasonedError ToolMissing without busybox, BuildFailed when it is not the
 * static one: a dynamic busybox has no libraries in there.
 */
export async function userland(
  world: World,
  options: { issue: string; signal: AbortSignal },
): Promise<Entry[]> {
  const program = await requireProgram(world, 'busybox');
  const listed = await runOrFail(world, [program, '--list-full'], { signal: options.signal });
  const bytes = await world.files.readBytes((await world.files.realPath(program)) ?? program);
  return [
    ...directories.map((path) => directory(path)),
    directory('root', 0o700),
    directory('tmp', 0o1777),
    directory('usr/share'),
    directory('usr/share/udhcpc'),
    file('bin/busybox', bytes ?? new Uint8Array(), 0o755),
    ...links(listed.stdout.split('\n')),
    file('usr/share/udhcpc/default.script', udhcpcScript, 0o755),
    file('sbin/root-shell', '#!/bin/sh\ncd /root\nexec sh -l\n', 0o755),
    ...settings(options.issue),
  ];
}

/**
 * Links for what has its place in /bin and /sbin, and env for scripts. The shell runs all other applets by their name without a link
 * (FEATURE_SH_STANDALONE of Debian's busybox), and each link less makes copying and removing a root file system faster. Hard ones, as
 * busybox itself installs them: a hundred symbolic links cost a copy five times as long as all the rest.
 */
function links(applets: readonly string[]): Entry[] {
  const replaced = new Set(['bin/busybox', 'sbin/init', 'bin/rpm']);
  return applets
    .filter((path) => /^(s?bin\/[^/]+|usr\/bin\/env)$/.test(path) && !replaced.has(path))
    .map((path) => ({ kind: 'Link', path, to: 'bin/busybox' }));
}

function settings(issue: string): Entry[] {
  return [
    file('etc/passwd', 'root::0:0:root:/root:/bin/sh\n'),
    file('etc/group', 'root:x:0:\ntty:x:5:\n'),
    file('etc/hosts', '127.0.0.1 localhost\n::1 localhost\n'),
    file('etc/profile', "PS1='\\h:\\w# '\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"),
    file('etc/resolv.conf', ''),
    file('etc/issue', `${issue}\n`),
    file('etc/os-release', 'NAME="Vireo demo"\nID=vireo-demo\nPRETTY_NAME="Vireo demo guest"\n'),
  ];
}
