/** Whether this host can run containers, and what is missing when it cannot. */
import type { World } from '../../../base/world.ts';
import type { Cgroups } from '../../cgroup/contract.ts';
import type { HypervisorFacts } from '../contract.ts';

export async function readFacts(world: World, cgroups: Cgroups): Promise<HypervisorFacts> {
  const { files, processes } = world;
  if ((await processes.which('lxc-start')) === undefined) {
    return lacking('LxcMissing', 'lxc-start is not installed; install the package lxc');
  }
  if (!(await isRoot(world))) return lacking('RootRequired', 'system containers need root');
  if (cgroups.version === 0) {
    return lacking(
      'CgroupsUnavailable',
      'system containers need control groups, which this host does not give us',
    );
  }
  const namespaces = await files.readText('/proc/sys/user/max_user_namespaces');
  if (namespaces?.trim() === '0') {
    return lacking(
      'UserNamespacesDisabled',
      'unprivileged containers need sysctl user.max_user_namespaces above 0',
    );
  }
  // LXC makes each container a profile of its own where AppArmor is on, and does not start it without one.
  const apparmor = await files.readText('/sys/module/apparmor/parameters/enabled');
  if (apparmor?.trim() === 'Y' && (await processes.which('apparmor_parser')) === undefined) {
    return lacking(
      'AppArmorParserMissing',
      'AppArmor is on but apparmor_parser is missing; install the package apparmor',
    );
  }
  const version = await processes.run(['lxc-start', '--version'], { timeoutMs: 10_000 });
  if (version.code !== 0)
    return lacking('LxcBroken', `lxc-start does not run: ${version.stderr.trim().slice(0, 200)}`);
  return { available: true, version: version.stdout.trim() };
}

/** The effective user of this process: second number of its `Uid` line (proc(5)). */
async function isRoot({ files }: World): Promise<boolean> {
  return /^Uid:\s+\d+\s+0\s/m.test((await files.readText('/proc/self/status')) ?? '');
}

function lacking(reason: string, message: string): HypervisorFacts {
  return { available: false, reason, message };
}
