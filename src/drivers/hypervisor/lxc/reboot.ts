/**
 * What a container's own reboot becomes. LXC 5.0 repeats the start within the same monitor but has forgotten the id mapping of the root
 * file system by then: it opens it as the container's root, fails, or would run the guest on files that belong to nobody. So a hook turns
 * LXC's reboot into a stop and has the container started anew from its configuration, without any of us being there: a guest's reboot must
 * not depend on an agent.
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type { ContainerPaths } from './paths.ts';

/** Arguments of lxc-start for this container; DEBUG is the level at which LXC logs how the container ended. */
export function startCommand(id: string, lxcPath: string, paths: ContainerPaths): string[] {
  return ['lxc-start', '-n', id, '-P', lxcPath, '-f', paths.config, '-o', paths.log, '-l', 'DEBUG'];
}

/**
 * The hook, run by the monitor after it has taken the container down (lxc.container.conf(5), post-stop). A failing hook keeps LXC from
 * rebooting. The new start waits for the monitor to be gone, because that holds the command socket; `exe` cannot be read of a zombie.
 * All of it stays in the guest's control group, so that a kill meets it and nobody takes the guest for Off meanwhile.
 */
export function planRebootHook(id: string, lxcPath: string, paths: ContainerPaths): string {
  const start = startCommand(id, lxcPath, paths).map(quoted).join(' ');
  return [
    '#!/bin/sh',
    '[ "$LXC_TARGET" = reboot ] || exit 0',
    'monitor=$PPID',
    '{',
    '  while [ -e "/proc/$monitor/exe" ]; do sleep 0.02; done',
    `  exec ${start}`,
    '} < /dev/null > /dev/null 2>&1 &',
    'exit 1',
    '',
  ].join('\n');
}

/** The only words in the script that are not its own: paths of ours, held to be plain. */
function quoted(word: string): string {
  if (/^[\w./@:+=-]+$/.test(word)) return word;
  throw new ReasonedError('InvalidName', `${JSON.stringify(word)} cannot be a path of a container`, {
    stalled: true,
  });
}
