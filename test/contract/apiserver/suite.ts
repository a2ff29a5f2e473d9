/** The form of the contract suite: requests and the answers any Kubernetes API server must give, as data. */

/**
 * One request. `{name}` in strings stands for a saved value; `{ns}` is a namespace made for the case, `{hooks}` and `{hooksCa}` are
 * where webhooks listen and their authority.
 */
export type Send = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** Content-Type; default application/json. */
  type?: string;
  accept?: string;
  /** Sent as JSON; a string is sent as it is. */
  body?: unknown;
  /** Sent in the name of another, by impersonation. */
  as?: { user: string; groups?: readonly string[]; extra?: { [key: string]: string } };
  /** Sent with this bearer token instead of the administrator's certificate. */
  token?: string;
};

/**
 * What must come back. Objects may hold more than expected; lists must have the same length. As strings, `<any>` stands for
 * anything, `<absent>` for a missing field, `/.../` for a regular expression.
 */
export type Expect = {
  code: number;
  body?: unknown;
  /** A regular expression the raw text must match. */
  text?: RegExp;
  headers?: { [name: string]: string | RegExp };
  /** The events of a watch that has ended (`timeoutSeconds`), bookmarks left out. */
  events?: readonly unknown[];
  /** The code of kube-apiserver where the embedded server answers otherwise on purpose, and why. */
  elsewhere?: { code: number; why: string };
  /** Asked again until it fits, for what happens a little later. */
  eventually?: true;
};

/** A step: a request, its answer, and values to keep from it (name -> path such as `metadata.uid`). */
export type Step = { send: Send; expect: Expect; save?: { [name: string]: string } };

/** A case. */
export type Case = {
  name: string;
  steps: readonly Step[];
} & Comparison;

/** The version of the kube-apiserver that gave the same answers, or why none was asked. */
type Comparison = { comparedWith: string } | { notCompared: string };

/** A step in one line. */
export function step(
  method: Send['method'],
  path: string,
  expect: Expect,
  rest: Partial<Send> & { save?: Step['save'] } = {},
): Step {
  const { save, ...send } = rest;
  return { send: { method, path, ...send }, expect, ...(save === undefined ? {} : { save }) };
}
