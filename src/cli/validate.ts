/**
 * `vireo validate`: what the API server would say of manifests, without one, with file and line. Objects of other groups are passed over.
 */
import { openApiSchema } from '../api/crd.ts';
import type { KindDefinition } from '../api/kind.ts';
import { GROUP } from '../api/kind.ts';
import { apiVersionOf } from '../api/meta.ts';
import { kinds } from '../api/registry.ts';
import type { Files } from '../base/files.ts';
import { compileSchema } from '../schema/compile.ts';
import type { CompiledSchema } from '../schema/contract.ts';
import { type Manifest, type ManifestError, readManifests } from './manifests.ts';

export type ValidationReport = { checked: number; skipped: number; problems: ManifestError[] };

type Head = { apiVersion?: unknown; kind?: unknown; metadata?: { name?: unknown; namespace?: unknown } };

/** Checks all manifests under a path. Throws when the path does not exist. */
export async function validateManifests(files: Files, path: string): Promise<ValidationReport> {
  const { manifests, errors } = await readManifests(files, path);
  const schemas = new Map<string, CompiledSchema>();
  const report: ValidationReport = { checked: 0, skipped: 0, problems: [...errors] };
  const seen = new Map<string, string>();
  for (const manifest of manifests) {
    const head = manifest.object as Head;
    if (typeof head.apiVersion !== 'string' || typeof head.kind !== 'string') {
      report.problems.push(problem(manifest, [], 'apiVersion and kind are required'));
      continue;
    }
    if (!head.apiVersion.startsWith(`${GROUP}/`)) {
      report.skipped += 1;
      continue;
    }
    report.checked += 1;
    const kind = kinds.find((known) => known.kind === head.kind && apiVersionOf(known) === head.apiVersion);
    if (kind === undefined) {
      const known = kinds.map((one) => one.kind).join(', ');
      report.problems.push(
        problem(manifest, ['kind'], `there is no kind ${head.kind} in ${head.apiVersion}; known: ${known}`),
      );
      continue;
    }
    report.problems.push(
      ...objectProblems(manifest, kind, schemaOf(kind, schemas)),
      ...duplicate(manifest, head, seen),
    );
  }
  return report;
}

function schemaOf(kind: KindDefinition, schemas: Map<string, CompiledSchema>): CompiledSchema {
  const known = schemas.get(kind.kind) ?? compileSchema(openApiSchema(kind));
  schemas.set(kind.kind, known);
  return known;
}

function objectProblems(manifest: Manifest, kind: KindDefinition, schema: CompiledSchema): ManifestError[] {
  const object = structuredClone(manifest.object);
  const unknown = schema
    .prune(object)
    .map((path) => problem(manifest, segments(path), `${path}: unknown field`));
  schema.applyDefaults(object);
  // `<nil>` only says that CEL rules wait for the errors before it.
  const errors = schema
    .validate(object)
    .filter(({ field }) => field !== '<nil>')
    .map(({ field, message }) => problem(manifest, segments(field), `${field}: ${message}`));
  const { metadata } = object as Head;
  if (typeof metadata?.name !== 'string')
    errors.push(problem(manifest, ['metadata'], 'metadata.name: Required value'));
  if (!kind.namespaced && metadata?.namespace !== undefined) {
    errors.push(
      problem(manifest, ['metadata', 'namespace'], `metadata.namespace: ${kind.kind} is not namespaced`),
    );
  }
  return [...unknown, ...errors];
}

function duplicate(manifest: Manifest, head: Head, seen: Map<string, string>): ManifestError[] {
  const key = `${head.kind} ${head.metadata?.namespace ?? ''}/${head.metadata?.name}`;
  const where = `${manifest.file}:${manifest.lineOf(['metadata'])}`;
  const first = seen.get(key);
  seen.set(key, first ?? where);
  return first === undefined
    ? []
    : [problem(manifest, ['metadata', 'name'], `the same object stands in ${first}`)];
}

function problem(manifest: Manifest, path: readonly (string | number)[], message: string): ManifestError {
  return { file: manifest.file, line: manifest.lineOf(path), message };
}

/** `spec.disks[0].size` as segments; a key in brackets that is no number stays a name. */
function segments(path: string): (string | number)[] {
  return [...path.matchAll(/([^.[\]]+)|\[([^\]]*)\]/g)].map(([, name, index]) => {
    if (name !== undefined) return name;
    const inner = (index ?? '').replaceAll('"', '');
    return /^\d+$/.test(inner) ? Number(inner) : inner;
  });
}
