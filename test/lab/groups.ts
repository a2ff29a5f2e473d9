/** The control groups of a machine of the lab. They lie in the hierarchies of the machine underneath, so its power being cut does not remove them. */
import { readdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../e2e/harness/commands.ts';

const MOUNT = '/sys/fs/cgroup';

/** All groups at or below `root` in every hierarchy, the deepest first. */
export async function controlGroups(root: string): Promise<string[]> {
  const found: string[] = [];
  // With version 2 the mount is the hierarchy itself; with version 1 each of its directories is one.
  const hierarchies = [MOUNT, ...(await readdir(MOUNT)).map((name) => join(MOUNT, name))];
  for (const hierarchy of hierarchies) {
    const top = join(hierarchy, root);
    const below = await readdir(top, { recursive: true, withFileTypes: true }).catch(() => undefined);
    if (below === undefined) continue;
    found.push(top);
    for (const entry of below) if (entry.isDirectory()) found.push(join(entry.parentPath, entry.name));
  }
  return found.sort((a, b) => b.split('/').length - a.split('/').length || a.localeCompare(b));
}

/** A frozen process of cgroup v1 does not end by SIGKILL until it is thawed. */
export async function thaw(root: string): Promise<void> {
  for (const group of await controlGroups(root)) {
    await writeFile(join(group, 'freezer.state'), 'THAWED', { flag: 'r+' }).catch(() => {});
  }
}

/** The same for a device's shell, after it has killed: what was frozen ends without another instruction. */
export function thawCommand(root: string): string {
  const states = `find ${MOUNT}/freezer/${root} -name freezer.state 2>/dev/null`;
  return `for state in $(${states}); do echo THAWED > "$state"; done`;
}

/** Waits for the last process to be gone from them: rmdir(2) refuses a group until then. */
export async function removeControlGroups(root: string): Promise<void> {
  await until(`the control groups ${root} are gone`, async () => {
    const groups = await controlGroups(root);
    for (const group of groups) await rmdir(group).catch(() => {});
    return groups.length === 0;
  });
}
