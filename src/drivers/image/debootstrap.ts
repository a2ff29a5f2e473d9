/** A root file system by debootstrap, with an init, DHCP and an end by SIGPWR, whatever packages the user adds. */
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { runOrFail } from './command.ts';
import type { ImageSource } from './contract.ts';
import { settleRoot } from './settle.ts';

const buildTimeoutMs = 3_600_000;
const packageName = /^[a-z0-9][a-z0-9+.-]{0,127}$/;
const suiteName = /^[a-z][a-z0-9-]{0,63}$/;
const inits = ['systemd-sysv', 'sysvinit-core', 'runit-init', 'finit-sysv'];

export type DebootstrapOptions = {
  workDirectory: string;
  output: string;
  signal: AbortSignal;
  progress(text: string): void;
};

/** Makes a tar archive at `output`. Needs root (debootstrap changes root). Throws ReasonedError BuildFailed with debootstrap's last lines. */
export async function buildDebootstrap(
  world: World,
  source: Extract<ImageSource, { type: 'Debootstrap' }>,
  options: DebootstrapOptions,
): Promise<void> {
  const { signal } = options;
  checkNames(source);
  const root = `${options.workDirectory}/root`;
  const mirror = source.mirror ?? (await aptMirror(world, source.suite, signal));
  options.progress(`debootstrap ${source.suite} from ${mirror}`);
  const result = await world.processes.run(debootstrapCommand(source, root, mirror), {
    timeoutMs: buildTimeoutMs,
    env: { DEBIAN_FRONTEND: 'noninteractive', ...(await proxyEnvironment(world, signal)) },
    signal,
  });
  signal.throwIfAborted();
  if (result.code !== 0)
    throw new ReasonedError('BuildFailed', `debootstrap: ${lastLines(result.stdout, result.stderr)}`);
  await settleRoot(world.files, root);
  options.progress('packing');
  await runOrFail(
    world,
    [
      'tar',
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=user.*',
      '--xattrs-include=security.capability',
      '--acls',
      '--exclude=./dev/*',
      '--exclude=./var/cache/apt/*.bin',
      '--exclude=./var/cache/apt/archives/*.deb',
      '--exclude=./var/lib/apt/lists/*_*',
      '-C',
      root,
      '-cf',
      options.output,
      '.',
    ],
    { signal, timeoutMs: buildTimeoutMs },
  );
}

/**
 * debootstrap mounts /proc and /sys inside the new root and undoes it only when it ends by itself: in a mount and process namespace of
 * its own, a killed build leaves neither mounts nor processes.
 */
function debootstrapCommand(
  source: Extract<ImageSource, { type: 'Debootstrap' }>,
  root: string,
  mirror: string,
): string[] {
  const packages = source.packages.some((name) => inits.includes(name))
    ? source.packages
    : [...source.packages, 'systemd-sysv', 'dbus'];
  return [
    ...[
      'unshare',
      '--mount',
      '--propagation',
      'private',
      '--pid',
      '--fork',
      '--kill-child=SIGKILL',
      '--mount-proc',
    ],
    ...['debootstrap', '--variant=minbase', `--include=${[...new Set([...packages, 'iproute2'])].join(',')}`],
    ...[source.suite, root, mirror],
  ];
}

/** Names come from users: a package that starts with a dash would be an option. */
function checkNames(source: Extract<ImageSource, { type: 'Debootstrap' }>): void {
  const bad = source.packages.find((name) => !packageName.test(name));
  if (bad !== undefined)
    throw new ReasonedError('BuildFailed', `${bad} is no package name`, { stalled: true });
  if (
    !suiteName.test(source.suite) ||
    (source.mirror !== undefined && !/^(https?|file):\/\//.test(source.mirror))
  ) {
    throw new ReasonedError('BuildFailed', 'the suite or the mirror is malformed', { stalled: true });
  }
}

/** Where this host's apt gets that suite: a closed network has its own mirror. */
async function aptMirror(world: World, suite: string, signal: AbortSignal): Promise<string> {
  const result = await world.processes.run(
    ['apt-get', 'indextargets', '--format', '$(CODENAME) $(REPO_URI)', 'Created-By: Packages'],
    { signal },
  );
  const line = result.stdout.split('\n').find((text) => text.startsWith(`${suite} `));
  return line?.slice(suite.length + 1) ?? 'http://deb.debian.org/debian';
}

async function proxyEnvironment(world: World, signal: AbortSignal): Promise<Record<string, string>> {
  const result = await world.processes.run(
    ['apt-config', 'dump', '--format', '%v%n', 'Acquire::http::Proxy'],
    { signal },
  );
  const proxy = result.stdout.trim();
  return result.code === 0 && /^https?:/.test(proxy) ? { http_proxy: proxy } : {};
}

function lastLines(stdout: string, stderr: string): string {
  const errors = stdout.split('\n').filter((line) => /^[EW]:/.test(line));
  return [...errors, ...stderr.trim().split('\n')].slice(-3).join(' ').slice(0, 400);
}
