/** Authorization: who may do what. The port takes all that RBAC will need; today every known user may do everything. */
import type { RequestTarget } from '../wire/target.ts';
import { anonymous, type User } from './user.ts';

/** What is asked for, as in authorization.k8s.io SubjectAccessReview. */
export type Attributes = { user: User; verb: string; target: RequestTarget };

/** `reason` is shown to the user. */
export type Decision = { allowed: true } | { allowed: false; reason: string };

/** Decides on one request. */
export type Authorizer = (attributes: Attributes) => Decision | Promise<Decision>;

const publicPaths = /^\/(healthz|livez|readyz)(\/.*)?$|^\/version\/?$/;

/** True for what may be read without credentials: whether the server lives and what it is. */
export function isPublic(path: string): boolean {
  return publicPaths.test(path);
}

/** Every authenticated user may do everything; without credentials only health and version are answered. */
export const allowAuthenticated: Authorizer = ({ user, target }) =>
  user.name !== anonymous.name || (target.type === 'path' && isPublic(target.path))
    ? { allowed: true }
    : { allowed: false, reason: '' };
