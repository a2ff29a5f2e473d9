/**
 * Impersonation: who may `impersonate` others asks in their name (`kubectl --as`, Flux with a service account). The headers are
 * never overlooked: a request that names another user must not be answered with the rights of its sender.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
 */
import { badRequest } from '../status.ts';
import type { ResourceTarget } from '../wire/target.ts';
import type { Authorizer } from './authorize.ts';
import { anonymous, type User } from './user.ts';

/** The request's headers by lower-case name. */
type Header = (name: string) => string | undefined;

/** What must be allowed to become the other user: the resources of the verb `impersonate`. */
type Wanted = { user: User; targets: ResourceTarget[] };

/** The outcome: nobody is impersonated, the other user, or what is refused. */
export type Impersonation = { user?: User; refused?: { target: ResourceTarget; reason: string } };

/** Looks at the headers; throws 400 where they name groups or a uid but no user. */
export function impersonation(sender: User, header: Header, authorize: Authorizer): Impersonation {
  const wanted = wantedBy(header);
  if (wanted === undefined) return {};
  for (const target of wanted.targets) {
    const { allowed, reason } = authorize({ user: sender, verb: 'impersonate', target });
    if (!allowed) return { refused: { target, reason } };
  }
  return { user: wanted.user };
}

function wantedBy(header: Header): Wanted | undefined {
  const name = header('impersonate-user') ?? '';
  const uid = header('impersonate-uid') ?? '';
  const named = (header('impersonate-group') ?? '').split(',').map((group) => group.trim());
  const groups = named.filter((group) => group !== '');
  if (name === '') {
    if (uid === '' && groups.length === 0) return undefined;
    throw badRequest('a group or uid can only be impersonated together with a user');
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  const targets = [
    account === null
      ? target('', 'users', name)
      : { ...target('', 'serviceaccounts', account[2] ?? ''), namespace: account[1] ?? '' },
    ...groups.map((group) => target('', 'groups', group)),
    ...(uid === '' ? [] : [target('authentication.k8s.io', 'uids', uid)]),
  ];
  const own = account === null || groups.length > 0 ? [] : accountGroups(account[1] ?? '');
  const everybody = name === anonymous.name ? anonymous.groups : ['system:authenticated'];
  return {
    user: { name, groups: [...new Set([...groups, ...own, ...everybody])], ...(uid === '' ? {} : { uid }) },
    targets,
  };
}

function accountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}

function target(group: string, resource: string, name: string): ResourceTarget {
  return { type: 'resource', path: '', group, version: '', resource, name };
}
