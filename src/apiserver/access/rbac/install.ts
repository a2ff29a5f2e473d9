/** Puts the default roles and bindings in place at start, and mends those that have lost something and may be mended. */
import type { Catalog } from '../../catalog/catalog.ts';
import { keyOf } from '../../catalog/keys.ts';
import type { Served } from '../../catalog/served.ts';
import { cloneJson, equalJson, isRecord, type KubeObject } from '../../object.ts';
import { decode } from '../../registry/codec.ts';
import type { Context } from '../../registry/context.ts';
import { create } from '../../registry/create.ts';
import { update } from '../../registry/update.ts';
import { ApiError } from '../../status.ts';
import { internalWrite } from '../../upkeep/upkeep.ts';
import { autoupdateAnnotation, defaultBindings, defaultRoles } from './defaults.ts';
import { gathered, type LabelledRole } from './gather.ts';
import { rbacGroup } from './grants.ts';
import { missingRules, rulesOf } from './rules.ts';

/** Creates what is missing, all at once so that the writes share one fsync. */
export async function installDefaultRoles(context: Context): Promise<void> {
  const roles = mustFind(context.catalog, 'clusterroles');
  const bindings = mustFind(context.catalog, 'clusterrolebindings');
  await Promise.all([
    ...withGathered(defaultRoles).map((role) => install(context, roles, role, addRules)),
    ...defaultBindings.map((binding) => install(context, bindings, binding, addSubjects)),
  ]);
}

function mustFind(catalog: Catalog, plural: string): Served {
  const served = catalog.find(rbacGroup, 'v1', plural);
  if (served === undefined) throw new Error(`the built-in resource ${plural} is missing`);
  return served;
}

/** Gathering roles with the rules the controller would give them: they hold from the first request on. */
function withGathered(roles: readonly KubeObject[]): KubeObject[] {
  let all: LabelledRole[] = roles.map((role) => ({ ...role, rules: rulesOf(role) }));
  // view is gathered by edit, edit by admin: three rounds reach the end.
  for (let round = 0; round < 3; round++) {
    all = all.map((role) => ({ ...role, rules: gathered(role, all) ?? role.rules }));
  }
  return roles.map((role, index) => ({ ...role, rules: role.rules ?? all[index]?.rules }));
}

/** Brings what is missing into a stored object; the same value when nothing is. */
type Mend = (stored: KubeObject, wanted: KubeObject) => KubeObject;

async function install(context: Context, served: Served, wanted: KubeObject, mend: Mend): Promise<void> {
  const name = wanted.metadata.name ?? '';
  const entry = context.store.get(keyOf(served.prefix, undefined, name));
  try {
    if (entry === undefined) {
      await create(context, served, undefined, cloneJson(wanted), internalWrite);
      return;
    }
    const stored = decode(served, entry);
    if (stored.metadata.annotations?.[autoupdateAnnotation] !== 'true' || mend(stored, wanted) === stored)
      return;
    await update(
      context,
      { served, namespace: undefined, name },
      { next: (old) => mend(old, wanted) },
      internalWrite,
    );
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    context.log.warn('a default role or binding could not be put in place', { name, error: error.message });
  }
}

/** What a gathering role holds is its controller's business. */
function addRules(stored: KubeObject, wanted: KubeObject): KubeObject {
  if (isRecord(stored.aggregationRule)) return stored;
  const rules = rulesOf(stored);
  const lost = rulesOf(wanted).filter((rule) => missingRules(rules, [rule])?.length !== 0);
  return lost.length === 0
    ? stored
    : { ...stored, rules: [...(Array.isArray(stored.rules) ? stored.rules : []), ...lost] };
}

function addSubjects(stored: KubeObject, wanted: KubeObject): KubeObject {
  const subjects: unknown[] = Array.isArray(stored.subjects) ? stored.subjects : [];
  const lost = (Array.isArray(wanted.subjects) ? wanted.subjects : []).filter(
    (subject) => !subjects.some((known) => equalJson(known, subject)),
  );
  return lost.length === 0 ? stored : { ...stored, subjects: [...subjects, ...lost] };
}
