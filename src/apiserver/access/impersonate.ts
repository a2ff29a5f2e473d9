/**
 * Impersonation: who may `impersonate` others asks in their name (`kubectl --as`, Flux with a service account). The headers are
 * never overlooked: a request that names another user must not be answered with the rights of its sender.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
 */
import { badRequest } from '../status.ts';
import type { ResourceTarget } from '../wire/target.ts';
import type { Authorizer } from './authorize.ts';
import { anonymous, type User } from './user.ts';

/** The lines of the request's head that begin with `impersonate-`, names in lower case. */
type Lines = readonly { name: string; value: string }[];

/** What must be allowed to become the other user: the resources of the verb `impersonate`. */
type Wanted = { user: User; targets: ResourceTarget[] };

/** The outcome: nobody is impersonated, the other user, or what is refused. */
export type Impersonation = { user?: User; refused?: { target: ResourceTarget; reason: string } };

/** Looks at the headers; throws 400 where they name groups, a uid or more but no user. */
export function impersonation(sender: User, lines: Lines, authorize: Authorizer): Impersonation {
  const wanted = lines.length === 0 ? undefined : wantedBy(lines);
  if (wanted === undefined) return {};
  for (const target of wanted.targets) {
    const { allowed, reason } = authorize({ user: sender, verb: 'impersonate', target });
    if (!allowed) return { refused: { target, reason } };
  }
  return { user: wanted.user };
}

function wantedBy(lines: Lines): Wanted | undefined {
  const valuesOf = (wanted: string) =>
    lines.flatMap(({ name, value }) => (name === wanted && value !== '' ? [value] : []));
  const [name] = valuesOf('impersonate-user');
  const [uid] = valuesOf('impersonate-uid');
  const groups = valuesOf('impersonate-group');
  const extras = extrasIn(lines);
  if (name === undefined) {
    if (uid === undefined && groups.length === 0 && extras.length === 0) return undefined;
    throw badRequest('groups, a uid or extra fields can only be impersonated together with a user');
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  const own = account === null || groups.length > 0 ? [] : accountGroups(account[1] ?? '');
  return {
    user: {
      name,
      groups: [...new Set([...groups, ...own, ...everybody(name, groups)])],
      ...(uid === undefined ? {} : { uid }),
      ...(extras.length === 0 ? {} : { extra: gathered(extras) }),
    },
    targets: [
      account === null
        ? target('', 'users', name)
        : { ...target('', 'serviceaccounts', account[2] ?? ''), namespace: account[1] ?? '' },
      ...groups.map((group) => target('', 'groups', group)),
      ...(uid === undefined ? [] : [target('authentication.k8s.io', 'uids', uid)]),
      ...extras.map(([key, value]) => ({
        ...target('authentication.k8s.io', 'userextras', value),
        subresource: key,
      })),
    ],
  };
}

const extraPrefix = 'impersonate-extra-';

/** `Impersonate-Extra-KEY: VALUE`; the key is in lower case, and what a header name cannot hold is percent-encoded. */
function extrasIn(lines: Lines): [key: string, value: string][] {
  return lines.flatMap(({ name, value }) =>
    name.startsWith(extraPrefix) ? [[decoded(name.slice(extraPrefix.length)), value]] : [],
  );
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function gathered(extras: readonly [string, string][]): { [key: string]: string[] } {
  const found = new Map<string, string[]>();
  for (const [key, value] of extras) found.set(key, [...(found.get(key) ?? []), value]);
  return Object.fromEntries(found);
}

/** The group everybody known, or nobody known, is in. Who asks to be in the latter is not put into the former. */
function everybody(name: string, groups: readonly string[]): readonly string[] {
  if (name === anonymous.name) return anonymous.groups;
  return groups.some((group) => anonymous.groups.includes(group)) ? [] : ['system:authenticated'];
}

function accountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}

function target(group: string, resource: string, name: string): ResourceTarget {
  return { type: 'resource', path: '', group, version: '', resource, name };
}
