/** Whether a definition may have its names, said in its conditions NamesAccepted and Established. */
import type { NameLookup } from '../kinds/definition.ts';
import type { Definition, DefinitionCondition } from './definition.ts';

/**
 * Sets acceptedNames and the two conditions. Once established, a definition stays so: its objects must not vanish
 * because a later one claims a name.
 */
export function settleNames(definition: Definition, lookup: NameLookup, time: string): void {
  const { group, names } = definition.spec;
  const rival = lookup(group, names, definition.metadata.name ?? '');
  const accepted = rival === undefined;
  const wasEstablished = conditionOf(definition, 'Established')?.status === 'True';
  const status = definition.status ?? {};
  const fresh: DefinitionCondition[] = [
    accepted
      ? condition('NamesAccepted', 'True', 'NoConflicts', 'no conflicts found')
      : condition('NamesAccepted', 'False', 'NamesConflict', `${rival} is already in use`),
    accepted || wasEstablished
      ? condition('Established', 'True', 'InitialNamesAccepted', 'the initial names have been accepted')
      : condition('Established', 'False', 'NotAccepted', 'not all names are accepted'),
  ];
  const kept = (status.conditions ?? []).filter((old) => !fresh.some((item) => item.type === old.type));
  definition.status = {
    ...status,
    conditions: [...fresh.map((item) => timed(definition, item, time)), ...kept],
    acceptedNames: accepted ? names : (status.acceptedNames ?? { plural: '', kind: '' }),
    storedVersions: status.storedVersions ?? [],
  };
}

function condition(
  type: string,
  status: 'True' | 'False',
  reason: string,
  message: string,
): DefinitionCondition {
  return { type, status, reason, message };
}

function conditionOf(definition: Definition, type: string): DefinitionCondition | undefined {
  return definition.status?.conditions?.find((item) => item.type === type);
}

function timed(definition: Definition, item: DefinitionCondition, time: string): DefinitionCondition {
  const old = conditionOf(definition, item.type);
  const since = old?.status === item.status ? old.lastTransitionTime : undefined;
  return { ...item, lastTransitionTime: since ?? time };
}
