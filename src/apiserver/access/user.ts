/** Who sends a request: what an authenticator found out and an authorizer decides on. */

/** authentication.k8s.io UserInfo. */
export type User = {
  name: string;
  groups: readonly string[];
  uid?: string;
  extra?: { readonly [key: string]: readonly string[] };
};

/** The user of a request without credentials. */
export const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
