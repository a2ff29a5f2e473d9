/** The catalogue of what is served now: built-in kinds always, custom resources as their definitions come, change and go. */
import type { Log } from '../../base/log.ts';
import { parseMarked } from '../../schema/json.ts';
import type { Change, Store } from '../../store/contract.ts';
import { builtinKinds } from '../kinds/builtin.ts';
import { equalJson, type KubeObject } from '../object.ts';
import { asDefinition, type Definition, type DefinitionNames } from './definition.ts';
import { prefixOf } from './keys.ts';
import { type Served, servedKind, servedVersions } from './served.ts';

/** The catalogue. */
export type Catalog = {
  find(group: string, version: string, plural: string): Served | undefined;
  /** By kind, as owner references name things. */
  findKind(apiVersion: string, kind: string): Served | undefined;
  /** Every version of every resource. */
  all(): readonly Served[];
  /** One version of each stored resource, the version it is stored in where that is served. */
  stored(): readonly Served[];
  /** Grows with each change: what is derived from the catalogue is good for one generation. */
  generation(): number;
  /** Calls with what is no longer served as it was. */
  onChange(listener: (replaced: readonly Served[]) => void): () => void;
  close(): void;
};

const definitionsPrefix = prefixOf('apiextensions.k8s.io', 'customresourcedefinitions');

/** `since` is the revision from which the definition has had this spec. */
type Known = { definition: Definition; since: number; served: Served[] };

/** Reads all definitions and follows their changes; a change counts before the write that made it is answered. */
export function createCatalog(store: Store, log: Log): Catalog {
  const known = new Map<string, Known>();
  const listeners = new Set<(replaced: readonly Served[]) => void>();
  const builtin = builtinKinds((group, names, owner) => namesTaken(group, names, owner)).map(servedKind);
  let index = new Map<string, Served>();
  let generation = 0;

  function rebuild(): void {
    const all = [...builtin, ...[...known.values()].flatMap(({ served }) => served)];
    index = new Map(all.map((served) => [indexKey(served.resource), served]));
    generation++;
  }

  function learn(key: string, value: Uint8Array, revision: number): Served[] {
    const before = known.get(key)?.served ?? [];
    try {
      const definition = asDefinition(parseMarked(Buffer.from(value).toString('utf8')) as KubeObject);
      const old = known.get(key);
      const same = old !== undefined && servesTheSame(old.definition, definition);
      const since = same ? old.since : revision;
      const served =
        same && isEnding(old.definition) === isEnding(definition)
          ? old.served
          : servedVersions(definition, since);
      known.set(key, { definition, since, served });
      if (same) return [];
    } catch (error) {
      log.error('a stored definition cannot be read; its resource is not served', {
        key,
        error: String(error),
      });
      known.delete(key);
    }
    return before;
  }

  function namesTaken(group: string, names: DefinitionNames, owner: string): string | undefined {
    const rivals = [
      ...builtin.map(({ resource }) => resource).filter((resource) => resource.group === group),
      ...[...known.values()]
        .filter(({ definition }) => definition.spec.group === group && definition.metadata.name !== owner)
        .map(({ definition }) => definition.status?.acceptedNames)
        .filter((taken) => taken !== undefined && taken.plural !== ''),
    ];
    return rivals
      .map((rival) => (rival ? clash(names, rival) : undefined))
      .find((text) => text !== undefined);
  }

  function follow(changes: readonly Change[]): void {
    const relevant = changes.filter(({ key }) => key.startsWith(definitionsPrefix));
    if (relevant.length === 0) return;
    const replaced = relevant.flatMap((change) => {
      if (change.type === 'put') return learn(change.key, change.value, change.revision);
      const before = known.get(change.key)?.served ?? [];
      known.delete(change.key);
      return before;
    });
    rebuild();
    for (const listener of listeners) listener(replaced);
  }

  const unsubscribe = store.subscribe(follow);
  for (const entry of store.range({ prefix: definitionsPrefix }).entries) {
    learn(entry.key, entry.value, entry.modRevision);
  }
  rebuild();

  return {
    find: (group, version, plural) => index.get(`${group}/${version}/${plural}`),
    findKind: (apiVersion, kind) =>
      [...index.values()].find((served) => served.apiVersion === apiVersion && served.resource.kind === kind),
    all: () => [...index.values()],
    stored: () => onePerPrefix([...index.values()]),
    generation: () => generation,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: unsubscribe,
  };
}

function indexKey({ group, version, plural }: { group: string; version: string; plural: string }): string {
  return `${group}/${version}/${plural}`;
}

/** Status writes and the begin of a deletion do not change what is served, so watches of the resource go on. */
function servesTheSame(old: Definition, definition: Definition): boolean {
  const established = ({ status }: Definition) =>
    status?.conditions?.find((item) => item.type === 'Established')?.status;
  return (
    old.metadata.uid === definition.metadata.uid &&
    equalJson(old.spec, definition.spec) &&
    established(old) === established(definition)
  );
}

function isEnding({ metadata }: Definition): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** The names of a definition or of a built-in kind. */
type NameSet = {
  plural: string;
  kind: string;
  singular?: string | undefined;
  listKind?: string | undefined;
  shortNames?: readonly string[] | undefined;
};

function clash(names: NameSet, taken: NameSet): string | undefined {
  const mine = [names.plural, names.singular, ...(names.shortNames ?? [])];
  const theirs = new Set([taken.plural, taken.singular, ...(taken.shortNames ?? [])]);
  const name = mine.find((item) => item !== undefined && theirs.has(item));
  if (name !== undefined) return JSON.stringify(name);
  const kinds = new Set([taken.kind, taken.listKind]);
  return [names.kind, names.listKind].find((item) => item !== undefined && kinds.has(item));
}

function onePerPrefix(all: readonly Served[]): Served[] {
  const chosen = new Map<string, Served>();
  // What is only created to be answered has nothing in the store.
  for (const served of all.filter(({ resource }) => resource.verbs.includes('list'))) {
    if (!chosen.has(served.prefix) || served.apiVersion === served.stored.apiVersion)
      chosen.set(served.prefix, served);
  }
  return [...chosen.values()];
}
