/** Why a start failed: LXC's program says only "failed to start"; the cause is the first error in its log. Pure. */
import { ReasonedError } from '../../../base/outcome.ts';

type Cause = {
  pattern: RegExp;
  reason: string;
  stalled: boolean;
  message: (match: RegExpExecArray) => string;
};

/** Seen with LXC 5.0.2; the first that matches the log is told. */
const causes: readonly Cause[] = [
  {
    pattern: /new[ug]idmap.*: ([ug]id range .*? not allowed)/,
    reason: 'IdRangeNotAllowed',
    stalled: false,
    message: ([, range]) => `${range}: it is missing in /etc/subuid or /etc/subgid`,
  },
  {
    pattern: /apparmor_parser not available/,
    reason: 'AppArmorParserMissing',
    stalled: true,
    message: () => 'AppArmor is on but apparmor_parser is missing; install the package apparmor',
  },
  {
    pattern: /Could not access (\S+)\. Please grant it x access/,
    reason: 'LxcPathClosed',
    stalled: true,
    message: ([, path]) => `${path} must let the container's root pass through; chmod 711 it`,
  },
  {
    pattern: /Failed to attach "([^"]+)" to bridge "([^"]+)"/,
    reason: 'BridgeMissing',
    stalled: false,
    message: ([, , bridge]) => `bridge ${bridge} does not exist on this host`,
  },
  {
    pattern: /File exists - Failed to create veth pair "([^"]+)"/,
    reason: 'InterfaceExists',
    stalled: false,
    message: ([, ifname]) => `interface ${ifname} exists already on this host`,
  },
  {
    pattern: /(.*) - Failed to exec "([^"]+)"/,
    reason: 'InitMissing',
    stalled: true,
    message: ([, cause, init]) => `the root file system has no ${init} that runs (${lastWords(cause)})`,
  },
  {
    pattern: /Failed to set "([^"]+)" to "([^"]+)"/,
    reason: 'LimitRefused',
    stalled: true,
    message: ([, file, value]) => `the kernel refuses ${value} for ${file}`,
  },
  {
    pattern: /No such file or directory - Failed to create detached (?:idmapped )?mount/,
    reason: 'RootfsMissing',
    stalled: false,
    message: () => 'the root file system is not there',
  },
  {
    pattern: /detached idmapped mount|Idmapped rootfs currently only supports/,
    reason: 'IdmapUnsupported',
    stalled: true,
    message: () => 'the file system of the pool cannot map ids at mount; use a pool on ext4, xfs or btrfs',
  },
  {
    pattern: /Failed to create (?:monitor|payload|container) cgroup/,
    reason: 'CgroupOccupied',
    stalled: false,
    message: () => 'a control group of this container exists already',
  },
  {
    pattern: /Child <\d+> ended on signal Killed|Sync wake failure/,
    reason: 'KilledWhileStarting',
    stalled: false,
    message: () => 'the container was killed before its init ran; its memory limit may be too small',
  },
];

/** `said` is what the program printed, told when the log names no cause. */
export function startFailure(log: string, said: string): ReasonedError {
  for (const { pattern, reason, stalled, message } of causes) {
    const match = pattern.exec(log);
    if (match !== null) return new ReasonedError(reason, message(match), { stalled });
  }
  return new ReasonedError('LxcStartFailed', firstError(log) ?? said);
}

/** The text behind ` - <source file>:<function>:<line> - ` of the first error. */
function firstError(log: string): string | undefined {
  const line = log.split('\n').find((one) => / ERROR {2,}/.test(one));
  return line?.replace(/^.*?\.c:\w+:\d+ - /, '').slice(0, 300);
}

function lastWords(text: string | undefined): string {
  return (text ?? '').split(' - ').at(-1) ?? '';
}
