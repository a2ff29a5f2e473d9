/**
 * Has LXC write a container's id maps itself. Where newuidmap(1) is on its PATH with the right to map, LXC runs it, and newgidmap, through a
 * shell each: four programs for what root may write directly. The first of that name on the PATH counts, and one without rights
 * makes LXC write the maps. The ids stay reserved in /etc/subuid all the same, so that nobody else is given them.
 */
import type { Files } from '../../../base/files.ts';
import { SEARCH_PATH } from '../../../base/processes.ts';

const programs = ['newuidmap', 'newgidmap'];

/** Makes the directory that stands first on LXC's PATH, below `lxcPath`; answers with the environment for lxc-start. */
export async function directMapping(files: Files, lxcPath: string): Promise<{ PATH: string }> {
  const directory = `${lxcPath}/bin`;
  await files.makeDirectory(lxcPath, { mode: 0o711 });
  await files.makeDirectory(directory, { mode: 0o755 });
  for (const program of programs) {
    const path = `${directory}/${program}`;
    if ((await files.readLink(path)) === undefined) await files.symlink('/bin/false', path);
  }
  return { PATH: `${directory}:${SEARCH_PATH}` };
}
