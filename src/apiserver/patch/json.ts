/** JSON Patch (RFC 6902, `application/json-patch+json`) on plain JSON; the object given is never changed. */
import { printJson } from '../../schema/json.ts';
import { cloneJson, equalJson, isRecord } from '../object.ts';
import { PatchError } from './error.ts';
import { insertAt, isVacant, locate, type Root, removeAt, replaceAt, valueAt } from './pointer.ts';

/** As in kube-apiserver: more operations than this in one request are refused. */
const maxOperations = 10_000;

/** Bytes that all `copy` operations of one request may add: a few dozen of them could double a value again and again. */
const maxCopiedBytes = 3 * 1024 * 1024;

const rejected = 'the server rejected our request due to an error in our request';

type Operation = { op: string; path: string; from?: unknown; value?: unknown };

/** The operations; each changes the document in place or throws. */
const operations: { readonly [op: string]: (root: Root, operation: Operation, budget: Budget) => void } = {
  add: (root, operation) => insertAt(locate(root, operation.path), givenValue(operation)),
  remove: (root, { path }) => void removeAt(locate(root, path)),
  replace: (root, operation) => replaceAt(locate(root, operation.path), givenValue(operation)),
  move: (root, operation) => {
    const value = removeAt(locate(root, fromOf(operation)));
    insertAt(locate(root, operation.path), value);
  },
  copy: (root, operation, budget) => {
    const value = valueAt(locate(root, fromOf(operation)));
    budget.spend(value);
    insertAt(locate(root, operation.path), cloneJson(value));
  },
  test: (root, operation) => {
    const place = locate(root, operation.path);
    // As in kube-apiserver, a field that is absent passes for null.
    const found = isVacant(place) ? null : valueAt(place);
    if (!equalJson(found, givenValue(operation))) throw new Error('testing value failed');
  },
};

/**
 * The object after all operations, or none: an operation that is malformed or does not fit throws PatchError 422, a patch that is no
 * list of them 400.
 */
export function applyJsonPatch<T>(object: T, ops: unknown): T {
  const checked = checkOperations(ops);
  const root: Root = { document: cloneJson(object) };
  const budget = copyBudget();
  for (const [index, operation] of checked.entries()) {
    try {
      operations[operation.op]?.(root, operation, budget);
    } catch (error) {
      if (error instanceof PatchError) throw error;
      throw new PatchError(422, describe(error, index, operation), { cause: error });
    }
  }
  return root.document as T;
}

function givenValue({ value }: Operation): unknown {
  if (value === undefined) throw new Error('there is no value');
  return value;
}

function fromOf({ from }: Operation): string {
  if (typeof from !== 'string') throw new Error('there is no from');
  return from;
}

type Budget = { spend(value: unknown): void };

/** Adds up what is copied. */
function copyBudget(): Budget {
  let copied = 0;
  return {
    spend: (value) => {
      copied += printJson(value).length;
      if (copied <= maxCopiedBytes) return;
      throw new PatchError(
        400,
        `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${maxCopiedBytes}`,
      );
    },
  };
}

function checkOperations(ops: unknown): Operation[] {
  if (!Array.isArray(ops)) {
    throw new PatchError(400, 'error decoding patch: a JSON patch must be an array of operations');
  }
  if (ops.length > maxOperations) {
    throw new PatchError(
      400,
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${ops.length}`,
    );
  }
  for (const [index, op] of ops.entries()) {
    if (!isRecord(op)) {
      throw new PatchError(400, `error decoding patch: JSON patch operation ${index} is no object`);
    }
    if (typeof op.op !== 'string' || typeof op.path !== 'string') {
      throw new PatchError(
        422,
        `${rejected}: JSON patch operation ${index} must have the strings op and path`,
      );
    }
    if (!Object.hasOwn(operations, op.op)) {
      throw new PatchError(
        422,
        `${rejected}: JSON patch operation ${index}: unknown op ${JSON.stringify(op.op)}`,
      );
    }
  }
  // A copy: an added value becomes part of the result, and a later operation may write into it.
  return cloneJson(ops) as Operation[];
}

function describe(error: unknown, index: number, { op, path, value }: Operation): string {
  const reason = error instanceof Error ? error.message : String(error);
  const wanted = value === undefined ? '' : ` (value ${printJson(value)})`;
  return `${rejected}: JSON patch operation ${index}: ${op} ${JSON.stringify(path)}: ${reason}${wanted}`;
}
