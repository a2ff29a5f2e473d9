/** Continue tokens: where a list in pages goes on, and at which revision, so that all pages show one moment. */
import { isRecord } from '../object.ts';
import { badRequest } from '../status.ts';

/** `revision` -1 stands for "as things are now": the history of the first page is gone and the client accepts it. */
export type ContinueToken = { revision: number; after: string; remaining?: number };

const version = 'meta.k8s.io/v1';

/** The token as text. `after` is a key without its resource's prefix. */
export function encodeContinue({ revision, after, remaining }: ContinueToken): string {
  const plain = {
    v: version,
    rv: revision,
    start: after,
    ...(remaining === undefined ? {} : { left: remaining }),
  };
  return Buffer.from(JSON.stringify(plain)).toString('base64url');
}

/** Reads a token; throws 400. */
export function decodeContinue(text: string): ContinueToken {
  const value = parse(text);
  if (
    !isRecord(value) ||
    value.v !== version ||
    !Number.isSafeInteger(value.rv) ||
    typeof value.start !== 'string'
  ) {
    throw badRequest('invalid continue token: continue key is not valid: it does not come from this server');
  }
  const { left } = value;
  return {
    revision: Number(value.rv),
    after: value.start,
    ...(typeof left === 'number' ? { remaining: left } : {}),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
