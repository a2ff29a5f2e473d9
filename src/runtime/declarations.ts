/** One writer per field: what controllers declare is compared with each other and with what they write. Pure. */
import { apiVersionOf } from '../api/meta.ts';
import type { Declaration } from './contract.ts';

/** True when `path` is `declared` or lies inside it. */
export function covers(declared: string, path: string): boolean {
  return path === declared || path.startsWith(`${declared}.`);
}

function sharedPath(path: string, a: Declaration, b: Declaration): boolean {
  const inBoth = (shared: string): boolean => covers(shared, path) && (b.shared ?? []).includes(shared);
  return (a.shared ?? []).some(inBoth);
}

function isSameKind(a: Declaration, b: Declaration): boolean {
  return apiVersionOf(a.kind) === apiVersionOf(b.kind) && a.kind.plural === b.kind.plural;
}

/** Each pair of controllers of one kind that both write a path, in words; empty when every field has one writer. */
export function writeConflicts(declarations: readonly Declaration[]): string[] {
  const conflicts: string[] = [];
  declarations.forEach((a, index) => {
    for (const b of declarations.slice(index + 1).filter((other) => isSameKind(a, other))) {
      for (const path of a.writes) {
        const other = b.writes.find((declared) => covers(declared, path) || covers(path, declared));
        if (other === undefined || sharedPath(path, a, b)) continue;
        const both = path === other ? path : `${path} and ${other}`;
        conflicts.push(`${a.name} and ${b.name} both write ${both} of ${a.kind.kind}`);
      }
    }
  });
  return conflicts;
}

/** The paths that no declaration covers. */
export function undeclared(writes: readonly string[], paths: readonly string[]): string[] {
  return paths.filter((path) => !writes.some((declared) => covers(declared, path)));
}
