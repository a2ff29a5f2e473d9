/** Reads manifests with positions: YAML or JSON files of a path, read as kubectl reads them (YAML 1.1: `on` is true). */
import { type Document, isNode, LineCounter, parseAllDocuments } from 'yaml';
import type { Files } from '../base/files.ts';

export type Manifest = {
  file: string;
  object: unknown;
  /** Line (from 1) of the value at this path, or of the nearest parent that is there. */
  lineOf(path: readonly (string | number)[]): number;
};
export type ManifestError = { file: string; line: number; message: string };

/** All documents under a file or directory: .yaml, .yml and .json in order of name; kustomization files are left out. */
export async function readManifests(
  files: Files,
  path: string,
): Promise<{ manifests: Manifest[]; errors: ManifestError[] }> {
  const manifests: Manifest[] = [];
  const errors: ManifestError[] = [];
  for (const file of await manifestFiles(files, path)) {
    const lines = new LineCounter();
    const documents = parseAllDocuments((await files.readText(file)) ?? '', {
      version: '1.1',
      lineCounter: lines,
    });
    for (const document of Array.isArray(documents) ? documents : []) {
      for (const error of document.errors) {
        errors.push({
          file,
          line: lines.linePos(error.pos[0]).line,
          message: error.message.split('\n')[0] ?? '',
        });
      }
      const object: unknown = document.errors.length > 0 ? null : document.toJS();
      if (object !== null) manifests.push({ file, object, lineOf: (at) => lineOf(document, lines, at) });
    }
  }
  return { manifests, errors };
}

async function manifestFiles(files: Files, path: string): Promise<string[]> {
  const stat = await files.stat(path);
  if (stat === undefined) throw new Error(`${path}: there is no such file or directory`);
  if (stat.kind !== 'Directory') return [path];
  const found: string[] = [];
  for (const name of await files.list(path)) {
    const child = `${path}/${name}`;
    const kind = (await files.stat(child))?.kind;
    if (kind === 'Directory') found.push(...(await manifestFiles(files, child)));
    else if (/\.(ya?ml|json)$/.test(name) && !/^kustomization\.ya?ml$/.test(name)) found.push(child);
  }
  return found;
}

function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[]): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
