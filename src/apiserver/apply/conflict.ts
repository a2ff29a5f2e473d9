/** Conflicts of server-side apply, worded as kube-apiserver words them so that clients can parse and show them. */
import { pathText } from './element.ts';
import { type FieldSet, pathsOf } from './fieldset.ts';
import type { Owner, OwnerName } from './owners.ts';

/** One field that another manager owns with another value. */
export type Conflict = {
  manager: string;
  /** As in `.spec.disks[name="root"].size`: the `field` of the status cause. */
  field: string;
  /** The `message` of the status cause (type FieldManagerConflict). */
  message: string;
};

/** The conflicts with one manager. */
export function conflictsWith(owner: Owner, touched: FieldSet): Conflict[] {
  const message = `conflict with ${describeOwner(owner)}`;
  return pathsOf(touched).map((path) => ({ manager: owner.manager, field: pathText(path), message }));
}

/** The text of the 409 Status for these conflicts. */
export function conflictMessage(conflicts: readonly Conflict[]): string {
  const [first] = conflicts;
  if (first !== undefined && conflicts.length === 1) {
    return `Apply failed with 1 conflict: ${first.message}: ${first.field}`;
  }
  const byOwner = new Map<string, string[]>();
  for (const { message, field } of conflicts) {
    byOwner.set(message, [...(byOwner.get(message) ?? []), `- ${field}`]);
  }
  const lines = [...byOwner].flatMap(([message, fields]) => [
    `${message.replace('conflict with', 'conflicts with')}:`,
    ...fields,
  ]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

function describeOwner(name: OwnerName): string {
  const subresource =
    name.subresource === undefined ? '' : ` with subresource ${JSON.stringify(name.subresource)}`;
  const version = name.operation === 'Update' ? ` using ${name.apiVersion}` : '';
  return `${JSON.stringify(name.manager)}${subresource}${version}`;
}
