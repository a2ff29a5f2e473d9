/** Authorization: who may do what. The port every authorizer fills, and what may be read without any. */
import type { RequestTarget } from '../wire/target.ts';
import type { User } from './user.ts';

/** What is asked for, as in authorization.k8s.io SubjectAccessReview. */
export type Attributes = { user: User; verb: string; target: RequestTarget };

/** The reason of a refusal is shown to the user; that of an allowance is written into the audit log. */
export type Decision = { allowed: boolean; reason: string };

/** Decides on one request. */
export type Authorizer = (attributes: Attributes) => Decision;

const publicPaths = /^\/(healthz|livez|readyz)(\/.*)?$|^\/version\/?$/;

/** True for what may be read without credentials: whether the server lives and what it is. */
export function isPublic(path: string): boolean {
  return publicPaths.test(path);
}
