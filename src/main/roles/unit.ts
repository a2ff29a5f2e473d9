/**
 * `vireo unit install`: puts this version of Vireo and the systemd unit of its agent on a host, and starts the unit anew when something of it has
 * changed. Guests do not notice: they are no children of the unit. Files first, the link to the version last, so that a crash leaves the old one.
 */
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { World } from '../../base/world.ts';
import { aborted, type Lifetime } from '../lifetime.ts';
import { version } from '../version.ts';

export type UnitOptions = {
  /** Where the host's root directory is seen. */
  root: string;
  /** systemctl(1) is run in the namespaces of the host's first process, from a container that shares its pids. */
  enterHost: boolean;
  /** This executable, beside whose chunks are. */
  script: string;
  stateDirectory: string;
};

const HOME = '/opt/vireo';
const UNIT = '/etc/systemd/system/vireo-agent.service';
const NAME = 'vireo-agent.service';
const SYSTEMCTL_MS = 60_000;
/** systemd.special(7): by these a host falls asleep, whoever asks for it. */
const SLEEP = ['sleep', 'suspend', 'hibernate', 'hybrid-sleep', 'suspend-then-hibernate'].map(
  (target) => `${target}.target`,
);

/** Text of the unit. KillMode=process: what the agent has started lives in control groups of its own and is not the unit's to end.
 * MemorySwapMax: a keeper that waits for a disk is too late; it has a group of its own, where the host lets it (control groups of version 2).
 * When the host goes down the agent shuts guests down first, while network and storage are there: what a unit comes after ends after it. */
export function unitText(stateDirectory: string): string {
  return `[Unit]
Description=Vireo agent: virtual machines and containers of this host
After=network-online.target remote-fs.target
Wants=network-online.target
ConditionPathExists=${stateDirectory}/joined.json

[Service]
ExecStart=${HOME}/current/node ${HOME}/current/dist/vireo.js join --state-dir ${stateDirectory}
Restart=always
RestartSec=2
KillMode=process
TimeoutStopSec=900
Delegate=yes
MemorySwapMax=0
TasksMax=infinity
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`;
}

/** Installs; resolves with whether something has changed. */
export async function installUnit(options: UnitOptions, world: World): Promise<boolean> {
  const { root, stateDirectory } = options;
  const { files } = world;
  const at = (path: string) => join(root, path);
  const isNew = await copyVersion(options, world);
  const link = at(`${HOME}/current`);
  const isCurrent = (await files.readLink(link)) === version;
  if (!isCurrent) {
    await files.remove(`${link}.new`);
    await files.symlink(version, `${link}.new`);
    await files.rename(`${link}.new`, link);
  }
  const text = unitText(stateDirectory);
  const isSame = (await files.readText(at(UNIT))) === text;
  if (!isSame) {
    await files.makeDirectory(dirname(at(UNIT)), { mode: 0o755 });
    await files.writeAtomic(at(UNIT), text, { mode: 0o644 });
  }
  return isNew || !isCurrent || !isSame;
}

/** The directory of a version is made whole beside and renamed; one that is there is whole. */
async function copyVersion({ root, script }: UnitOptions, { files }: World): Promise<boolean> {
  const home = join(root, HOME, version);
  if ((await files.stat(home)) !== undefined) return false;
  const half = `${home}.half`;
  await files.removeTree(half);
  await files.makeDirectory(join(half, 'dist'), { mode: 0o755 });
  const chunks = dirname(script);
  for (const name of await files.list(chunks)) await files.copy(join(chunks, name), join(half, 'dist', name));
  await files.writeAtomic(join(half, 'package.json'), '{"type":"module"}\n', { mode: 0o644 });
  await files.copy(process.execPath, join(half, 'node'));
  await files.chmod(join(half, 'node'), 0o755);
  await files.rename(half, home);
  return true;
}

/** `vireo unit install`. */
export async function runUnitInstall(options: UnitOptions, world: World): Promise<void> {
  const changed = await installUnit(options, world);
  const enter = options.enterHost ? ['nsenter', '--target', '1', '--mount', '--'] : [];
  const systemctl = (...command: string[]) =>
    world.processes.run([...enter, 'systemctl', ...command], { timeoutMs: SYSTEMCTL_MS });
  // A host that wakes up runs its guests for a moment, which may run elsewhere since.
  const masked = await systemctl('mask', ...SLEEP);
  if (masked.code !== 0)
    process.stderr.write(`this host may still be suspended, see that it is not: ${masked.stderr.trim()}\n`);
  const commands = [
    ['daemon-reload'],
    ['enable', NAME],
    // Without joined.json the unit's condition keeps it off until the machine joins.
    [changed ? 'restart' : 'start', NAME],
  ];
  for (const command of commands) {
    const { code, stderr } = await systemctl(...command);
    if (code !== 0) throw new Error(`systemctl ${command.join(' ')} ended with ${code}: ${stderr.trim()}`);
  }
  process.stdout.write(`${NAME} runs version ${version}${changed ? '' : ' already'}\n`);
}

/** `vireo unit wait`: does nothing until the lifetime ends. */
export async function runUnitWait(lifetime: Lifetime): Promise<void> {
  await aborted(lifetime.signal);
}
