/** The RBAC authorizer: allowed is what a bound role allows, and nothing else. https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
import { type Authorizer, type Decision, isPublic } from '../authorize.ts';
import type { User } from '../user.ts';
import type { Grant, Grants } from './grants.ts';
import { allows } from './rules.ts';

/** Members may do everything, even with every role gone: the way back in after a mistake. */
export const mastersGroup = 'system:masters';

/** Remembered decisions; beyond that all are forgotten, which costs only time. */
const decisionLimit = 4096;

/** Decides by the grants; decisions are remembered until a role or binding changes. */
export function createRbacAuthorizer(grants: Grants): Authorizer {
  let decisions = new Map<string, Decision>();
  let generation = -1;
  return ({ user, verb, target }) => {
    if (user.groups.includes(mastersGroup)) return { allowed: true, reason: '' };
    if (target.type === 'path' && verb === 'get' && isPublic(target.path))
      return { allowed: true, reason: '' };
    if (generation !== grants.generation() || decisions.size >= decisionLimit) {
      decisions = new Map();
      generation = grants.generation();
    }
    const key = JSON.stringify([user.name, user.groups, verb, target]);
    const known = decisions.get(key);
    if (known !== undefined) return known;
    const namespace = target.type === 'resource' ? target.namespace : undefined;
    const held = grants.of(user, namespace);
    const grant = held.find(({ rules }) => rules?.some((rule) => allows(rule, verb, target)));
    const decision: Decision =
      grant === undefined
        ? { allowed: false, reason: absentRoles(held) }
        : { allowed: true, reason: grant.why };
    decisions.set(key, decision);
    return decision;
  };
}

/** Bindings to roles that do not exist are the usual cause of an unexpected refusal, so it names them. */
function absentRoles(held: readonly Grant[]): string {
  const absent = [...new Set(held.filter(({ rules }) => rules === undefined).map(({ role }) => role))];
  if (absent.length === 0) return '';
  const texts = absent.map((role) => `${role} not found`);
  return `RBAC: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`;
}

/** All rules a user holds in a namespace; a master holds everything. */
export function rulesHeld(grants: Grants, user: User, namespace: string | undefined) {
  if (user.groups.includes(mastersGroup)) return everything;
  return grants.of(user, namespace).flatMap(({ rules }) => rules ?? []);
}

const everything = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];
