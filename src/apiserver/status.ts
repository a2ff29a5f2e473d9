/** metav1.Status: the one form of every refusal, worded as kube-apiserver words it because clients compare the texts. */
import type { FieldError } from '../schema/contract.ts';

/** metav1.StatusCause. */
export type StatusCause = { reason?: string; message?: string; field?: string };

/** metav1.StatusDetails. */
export type StatusDetails = {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
};

/** metav1.Status. */
export type Status = {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  /** Absent in a success. */
  code?: number;
};

/** A Status that tells what went wrong. */
export type Failure = Status & { code: number };

/** An error that is answered to the client as it is. */
export class ApiError extends Error {
  readonly status: Failure;
  constructor(status: Failure) {
    super(status.message ?? status.reason ?? 'failure');
    this.name = 'ApiError';
    this.status = status;
  }
}

/** What an error is about: `kind` is the plural name of the resource, as in StatusDetails. */
export type Subject = { group: string; plural: string };

/** An ApiError from its parts. */
export function failure(code: number, reason: string, message: string, details?: StatusDetails): ApiError {
  return new ApiError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason === '' ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  });
}

function detailsOf(subject: Subject, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(subject.group === '' ? {} : { group: subject.group }),
    kind: subject.plural,
  };
}

function qualified(subject: Subject): string {
  return subject.group === '' ? subject.plural : `${subject.plural}.${subject.group}`;
}

/** 404: this object does not exist. */
export function notFound(subject: Subject, name: string): ApiError {
  return failure(
    404,
    'NotFound',
    `${qualified(subject)} ${JSON.stringify(name)} not found`,
    detailsOf(subject, name),
  );
}

/** 404: this API or path does not exist. */
export function noSuchResource(): ApiError {
  return failure(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** 409: the name is taken. */
export function alreadyExists(subject: Subject, name: string, prefix = ''): ApiError {
  return failure(
    409,
    'AlreadyExists',
    `${prefix}${qualified(subject)} ${JSON.stringify(name)} already exists`,
    detailsOf(subject, name),
  );
}

/** 409: the object is not (or no longer) as the client believes. */
export function conflict(subject: Subject, name: string, why: string, causes?: StatusCause[]): ApiError {
  return failure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(subject)} ${JSON.stringify(name)}: ${why}`,
    { ...detailsOf(subject, name), ...(causes === undefined ? {} : { causes }) },
  );
}

/** The reason of a stale resourceVersion. */
export const modified =
  'the object has been modified; please apply your changes to the latest version and try again';

/** 422: the object breaks its schema or rules. */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): ApiError {
  const texts = errors.map((error) => (error.field === '' ? '' : `${error.field}: `) + error.message);
  const list = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  const qualifiedKind = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return failure(422, 'Invalid', `${qualifiedKind} ${JSON.stringify(name)} is invalid: ${list}`, {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    ...(kind.kind === '' ? {} : { kind: kind.kind }),
    causes: errors.map(({ type, message, field }) => ({ reason: type, message, field })),
  });
}

/** 400: the request cannot be understood. */
export function badRequest(message: string): ApiError {
  return failure(400, 'BadRequest', message);
}

/** 401: nobody we know. */
export function unauthorized(): ApiError {
  return failure(401, 'Unauthorized', 'Unauthorized');
}

/** 403: known, but not allowed, or not possible in the state things are in. */
export function forbidden(subject: Subject, name: string, why: string, causes?: StatusCause[]): ApiError {
  const what = name === '' ? qualified(subject) : `${qualified(subject)} ${JSON.stringify(name)}`;
  return failure(403, 'Forbidden', `${what} is forbidden: ${why}`, {
    ...detailsOf(subject, name),
    ...(causes === undefined ? {} : { causes }),
  });
}

/** 405: this resource does not have this verb. */
export function methodNotAllowed(subject: Subject, verb: string): ApiError {
  return failure(
    405,
    'MethodNotAllowed',
    `${verb} is not supported on resources of kind "${qualified(subject)}"`,
    detailsOf(subject, ''),
  );
}

/** 406: none of the media types the client accepts. */
export function notAcceptable(supported: readonly string[]): ApiError {
  return failure(
    406,
    'NotAcceptable',
    `only the following media types are accepted: ${supported.join(', ')}`,
    {},
  );
}

/** 410: history that has been forgotten. `token` lets a list go on inconsistently. */
export function expired(message: string, token?: string): ApiError {
  const error = failure(410, 'Expired', message);
  if (token !== undefined) error.status.metadata.continue = token;
  return error;
}

/** 413: a body above the limit. */
export function tooLarge(limitBytes: number): ApiError {
  return failure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`, {});
}

/** 413: a body of more values than a sane object has. */
export function tooManyValues(limit: number): ApiError {
  return failure(
    413,
    'RequestEntityTooLarge',
    `Request entity too large: it holds more than ${limit} values`,
    {},
  );
}

/** 408: a request that does not come to its end. */
export function requestTimeout(ms: number): ApiError {
  return failure(408, 'Timeout', `the body of the request did not arrive within ${ms / 1000} s`, {});
}

/** 429: this client asks for more than its share; others go on being served. */
export function tooManyRequests(): ApiError {
  return failure(429, 'TooManyRequests', 'too many requests, please try again later', {
    retryAfterSeconds: 1,
  });
}

/** 415: a body of a kind this request does not take. */
export function unsupportedMediaType(supported: readonly string[]): ApiError {
  return failure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${supported.join(', ')}`,
  );
}

/** 504: the client has seen a newer revision than this server: another or a restored store. */
export function revisionTooLarge(asked: number, current: number): ApiError {
  return failure(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** 507: the disk refuses writes; reads go on. */
export function storageFull(): ApiError {
  return failure(
    507,
    'StorageFull',
    'the store refuses writes: no space left on its file system; free some space and try again',
    { retryAfterSeconds: 5 },
  );
}

/** 500: our own fault. The cause goes to the log, never to the client. */
export function internalError(): ApiError {
  return failure(500, 'InternalError', 'Internal error occurred; the cause is in the log of the API server');
}

/** The answer of a delete that removed the object. */
export function deleted(subject: Subject, name: string, uid: string): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { ...detailsOf(subject, name), uid },
  };
}
