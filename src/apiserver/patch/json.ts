/** JSON Patch (RFC 6902, `application/json-patch+json`) on plain JSON; the object given is never changed. */
import jsonPatch, { type JsonPatchError, type Operation } from 'fast-json-patch';
import { cloneJson, isRecord } from '../object.ts';
import { PatchError } from './error.ts';

/** As in kube-apiserver: more operations than this in one request are refused. */
const maxOperations = 10_000;

/** Bytes that all `copy` operations of one request may add: a few dozen of them could double a value again and again. */
const maxCopiedBytes = 3 * 1024 * 1024;

const operations: readonly string[] = ['add', 'remove', 'replace', 'move', 'copy', 'test'];

/**
 * The object after all operations, or none: a failed `test` or a missing path throws PatchError 422, a malformed
 * operation 400.
 */
export function applyJsonPatch<T>(object: T, ops: unknown): T {
  const checked = checkOperations(ops);
  try {
    return jsonPatch.applyPatch(cloneJson(object), checked, copyGuard(), true, true).newDocument;
  } catch (error) {
    if (error instanceof PatchError) throw error;
    throw new PatchError(422, describe(error), { cause: error });
  }
}

/** Checks each operation as the library does, and adds up what is copied. */
function copyGuard(): typeof jsonPatch.validator {
  let copied = 0;
  return (operation, index, document, existingPath) => {
    jsonPatch.validator(operation, index, document, existingPath);
    if (operation.op !== 'copy') return;
    const source: unknown = jsonPatch.getValueByPointer(document, operation.from);
    copied += JSON.stringify(source)?.length ?? 0;
    if (copied <= maxCopiedBytes) return;
    throw new PatchError(
      400,
      `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${maxCopiedBytes}`,
    );
  };
}

function checkOperations(ops: unknown): Operation[] {
  if (!Array.isArray(ops)) throw new PatchError(400, 'a JSON patch must be an array of operations');
  if (ops.length > maxOperations) {
    throw new PatchError(
      400,
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${ops.length}`,
    );
  }
  for (const [index, op] of ops.entries()) {
    if (!isRecord(op) || typeof op.op !== 'string' || typeof op.path !== 'string') {
      throw new PatchError(400, `JSON patch operation ${index} must have the strings op and path`);
    }
    if (!operations.includes(op.op)) {
      throw new PatchError(400, `JSON patch operation ${index}: unknown op ${JSON.stringify(op.op)}`);
    }
  }
  // A copy: an added value becomes part of the result, and a later operation may write into it.
  return cloneJson(ops) as Operation[];
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { operation, index } = error as Partial<JsonPatchError>;
  if (!isRecord(operation)) return error.message.split('\n')[0] ?? error.message;
  const value = 'value' in operation ? ` (value ${JSON.stringify(operation.value)})` : '';
  const reason = operation.op === 'test' ? 'testing value failed' : 'the path does not exist or does not fit';
  return `the server rejected our request due to an error in our request: JSON patch operation ${index}: ${String(operation.op)} ${JSON.stringify(operation.path)}: ${reason}${value}`;
}
