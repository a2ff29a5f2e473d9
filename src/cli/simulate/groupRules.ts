/** The rules of HAGroups as the engine takes rules: of all guests that are in the group now. */
import type { StoredGuest, Versioned } from './api.ts';
import type { GroupSpec, Rule } from './scenario.ts';

/** Gives the rules behind those of the file; the same list again while none of them is another one. */
export function createGroupRules() {
  let last: { given: readonly Rule[]; key: string; rules: readonly Rule[] } | undefined;
  return (
    given: readonly Rule[],
    groups: ReadonlyMap<string, GroupSpec>,
    guests: ReadonlyMap<string, Versioned<StoredGuest>>,
  ): readonly Rule[] => {
    const shared = [...groups.values()].flatMap((group) => rulesOf(group, guests));
    if (shared.length === 0) return given;
    const key = JSON.stringify(shared);
    if (last?.given !== given || last.key !== key) last = { given, key, rules: [...given, ...shared] };
    return last.rules;
  };
}

function rulesOf(
  { name, keepTogether, keepApart }: GroupSpec,
  guests: ReadonlyMap<string, Versioned<StoredGuest>>,
): Rule[] {
  if (keepTogether === undefined && keepApart === undefined) return [];
  const members = [...guests].flatMap(([id, { value }]) => (value.spec.group === name ? [id] : []));
  const rule = (type: Rule['type'], { policy }: { policy: string }): Rule => ({
    ...{ name: `HAGroup ${name}`, type, guests: members },
    strict: policy === 'Required',
  });
  return [
    ...(keepTogether === undefined ? [] : [rule('KeepTogether', keepTogether)]),
    ...(keepApart === undefined ? [] : [rule('KeepApart', keepApart)]),
  ];
}
