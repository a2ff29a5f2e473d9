/** Where the files of a container are: all in one folder of the guest's directory, so that one removal forgets them. */
import type { GuestHandle } from '../contract.ts';

export type ContainerPaths = {
  folder: string;
  /** What LXC reads; written anew at each start. */
  config: string;
  /** What LXC says, from the start to the end of a run: it also tells how the run ended. */
  log: string;
  /** What we know of the last run. */
  record: string;
  /** The hook that starts the container anew when it reboots itself. */
  rebootHook: string;
  /** The console's output, rotated by LXC. */
  console: string;
};

export function containerPaths(guest: GuestHandle): ContainerPaths {
  const folder = `${guest.directory}/lxc`;
  return {
    folder,
    config: `${folder}/config`,
    log: `${folder}/log`,
    record: `${folder}/run.json`,
    rebootHook: `${folder}/reboot`,
    console: `${folder}/console.log`,
  };
}

/** The control group that holds the container's processes; LXC's monitor lies beside it. */
export function payloadGroup(id: string): string {
  return `${id}/payload`;
}
