/** Whether a path from the API lies inside what this host allows; symlinks are followed first, so that none leads out. */
import { dirname, join, resolve } from 'node:path';
import type { Files } from '../base/files.ts';

/** `path` with the symlinks of its existing part resolved; parts that do not exist yet are kept as they are. */
async function resolved(files: Pick<Files, 'realPath'>, path: string): Promise<string> {
  const wanted = resolve(path);
  let existing = wanted;
  for (;;) {
    const real = await files.realPath(existing);
    if (real !== undefined) return join(real, wanted.slice(existing.length));
    const parent = dirname(existing);
    if (parent === existing) return wanted;
    existing = parent;
  }
}

/** True when `path` is one of `allowed` or below one of them. */
export async function isAllowedPath(
  files: Pick<Files, 'realPath'>,
  path: string,
  allowed: readonly string[],
): Promise<boolean> {
  const target = await resolved(files, path);
  for (const entry of allowed) {
    const root = await resolved(files, entry);
    if (target === root || target.startsWith(root.endsWith('/') ? root : `${root}/`)) return true;
  }
  return false;
}

/** Whether objects of `namespace` may use something with these allowedNamespaces. */
export function isAllowedNamespace(allowed: readonly string[] | undefined, namespace: string): boolean {
  return allowed === undefined || allowed.includes(namespace);
}
