/**
 * Our field manager against recorded answers of the real one: golden.json says which library and version made them.
 * Each scenario is a story of writes to one object; after every step the object and its managedFields must be the same.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { serverSideApply } from '../../../../src/apiserver/apply/apply.ts';
import { conflictMessage } from '../../../../src/apiserver/apply/conflict.ts';
import { updateManagedFields } from '../../../../src/apiserver/apply/managers.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../../../src/apiserver/object.ts';
import { PatchError } from '../../../../src/apiserver/patch/error.ts';
import type { JsonSchema } from '../../../../src/schema/contract.ts';

type Step = {
  op: 'apply' | 'update' | 'statusApply' | 'statusUpdate';
  manager: string;
  force?: boolean;
  object: Partial<KubeObject>;
  live?: KubeObject;
  conflicts?: { field: string; message: string }[];
  message?: string;
  error?: string;
};
type Golden = { schema: JsonSchema; scenarios: { name: string; steps: Step[] }[] };

const goldenPath = process.env.VIREO_APPLY_GOLDEN ?? new URL('golden.json', import.meta.url);
const golden = JSON.parse(readFileSync(goldenPath, 'utf8')) as Golden;

describe('server-side apply and managedFields, as recorded from kube-apiserver', () => {
  for (const { name, steps } of golden.scenarios) {
    it(name, () => {
      let live: KubeObject | undefined;
      for (const [index, step] of steps.entries()) {
        const result = play(step, live, `2001-01-01T00:00:${String(index).padStart(2, '0')}Z`);
        if (step.error !== undefined) {
          expect(result, `step ${index}: ${step.error}`).toBeInstanceOf(PatchError);
        } else if (step.conflicts !== undefined) {
          expect(result, `step ${index}`).toEqual({
            conflicts: sorted(step.conflicts),
            message: step.message,
          });
        } else {
          expect(result, `step ${index}`).toEqual({ object: step.live });
          live = step.live;
        }
      }
    });
  }
});

/** One request as the server carries it out: identity is kept, and each endpoint keeps the part it cannot write. */
function play(step: Step, live: KubeObject | undefined, time: string): unknown {
  const object = identified(step.object);
  const subresource = step.op.startsWith('status') ? { subresource: 'status' } : {};
  const common = { schema: golden.schema, manager: step.manager, time, ...subresource };
  if (step.op === 'update' || step.op === 'statusUpdate') {
    const after = live === undefined ? object : keepUnwritten(step, live, object);
    const before = live === undefined ? {} : { before: live };
    return { object: stored(after, updateManagedFields({ ...common, ...before, after })) };
  }
  try {
    const input = { ...common, applied: object, force: step.force ?? false };
    const result = serverSideApply(live === undefined ? input : { ...input, live });
    if (!result.ok) {
      const conflicts = result.conflicts.map(({ field, message }) => ({ field, message }));
      return { conflicts: sorted(conflicts), message: conflictMessage(result.conflicts) };
    }
    const after = live === undefined ? result.object : keepUnwritten(step, live, result.object);
    return { object: stored(after, result.object.metadata.managedFields ?? []) };
  } catch (error) {
    return error;
  }
}

function identified(object: Partial<KubeObject>): KubeObject {
  return {
    ...object,
    apiVersion: 'example.com/v1',
    kind: 'Thing',
    metadata: { name: 'a', ...object.metadata },
  };
}

function keepUnwritten(step: Step, live: KubeObject, object: KubeObject): KubeObject {
  if (step.op.startsWith('status')) {
    const { status: _, ...rest } = live;
    const status = object.status === undefined ? {} : { status: object.status };
    return { ...(rest as KubeObject), ...status };
  }
  const { status: _, ...rest } = object;
  const status = live.status === undefined ? {} : { status: live.status };
  return { ...(rest as KubeObject), ...status };
}

function stored(object: KubeObject, managedFields: ManagedFieldsEntry[]): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  const { status, ...rest } = object;
  return {
    ...rest,
    apiVersion: object.apiVersion,
    kind: object.kind,
    ...(status === undefined ? {} : { status }),
    metadata: { ...metadata, uid: 'u1', ...(managedFields.length === 0 ? {} : { managedFields }) },
  };
}

function sorted(conflicts: { field: string; message: string }[]) {
  return [...conflicts].sort((a, b) => (a.message + a.field < b.message + b.field ? -1 : 1));
}
