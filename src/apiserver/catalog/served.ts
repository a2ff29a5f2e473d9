/** A resource at one version as the verbs see it: built-in kinds and custom resources are alike from here on. */

import { compileSchema } from '../../schema/compile.ts';
import type { CompiledSchema } from '../../schema/contract.ts';
import { targetOf, type WebhookTarget } from '../admission/webhook.ts';
import type { Behaviour, Kind } from '../kinds/kind.ts';
import { subdomainErrors } from '../metadata/names.ts';
import { equalJson } from '../object.ts';
import { apiVersionOf, type ResourceInfo } from '../resource.ts';
import { type Column, customColumns } from '../table/columns.ts';
import { type Definition, isTrue, resourceOf, storageVersion } from './definition.ts';
import { prefixOf } from './keys.ts';

/** One served resource. A change of its definition makes a new value. */
export type Served = {
  readonly resource: ResourceInfo;
  readonly apiVersion: string;
  readonly behaviour: Behaviour;
  /** Where its objects lie. */
  readonly prefix: string;
  /** apiVersion and kind in the stored bytes. */
  readonly stored: { apiVersion: string; kind: string };
  /** Values written up to this revision may be older than the schema: they are pruned and defaulted when read. Infinity: always. */
  readonly staleUpTo: number;
  /** What field selectors may name, without a leading dot. */
  readonly selectable: ReadonlySet<string>;
  /** The warning for using a deprecated version. */
  readonly deprecation?: string;
  /** The definition it comes from. */
  readonly definition?: { name: string; terminating: boolean };
  /** The webhook that converts between its versions; absent: they differ in name only. */
  readonly conversion?: WebhookTarget;
  /** Compiled when first needed: with many definitions, start-up would wait for all of them. */
  compiled(): CompiledSchema;
  columns(): readonly Column[];
};

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function selectableOf(resource: ResourceInfo): Set<string> {
  const declared = resource.selectableFields.map((path) => path.replace(/^\./, ''));
  return new Set(['metadata.name', 'metadata.namespace', ...declared]);
}

/** A built-in kind, served. */
export function servedKind({ resource, behaviour, columns }: Kind): Served {
  const home = behaviour.view?.of ?? resource;
  return {
    resource,
    apiVersion: apiVersionOf(resource),
    behaviour,
    prefix: prefixOf(home.group, home.plural),
    stored: { apiVersion: apiVersionOf(home), kind: home.kind },
    staleUpTo: behaviour.view === undefined ? 0 : Number.POSITIVE_INFINITY,
    selectable: selectableOf(resource),
    compiled: once(() => compileSchema(resource.schema)),
    columns: () => columns,
  };
}

const customBehaviour: Behaviour = {
  nameErrors: subdomainErrors,
  generation: true,
  unconditionalUpdate: false,
};

/** All served versions of a definition, whose own last write is `revision`. */
export function servedVersions(definition: Definition, revision: number): Served[] {
  const storage = storageVersion(definition);
  if (storage === undefined || !isTrue(definition, 'Established')) return [];
  const home = resourceOf(definition, storage);
  // What was written through one version has not seen the defaults of another: then nothing stored is good as it is.
  const oneForm = definition.spec.versions.every((version) =>
    equalJson(resourceOf(definition, version).schema, home.schema),
  );
  const { strategy, webhook } = definition.spec.conversion ?? {};
  const conversion = strategy === 'Webhook' ? { conversion: targetOf(webhook?.clientConfig) } : {};
  return definition.spec.versions
    .filter((version) => version.served)
    .map((version) => {
      const resource = resourceOf(definition, version);
      return {
        resource,
        apiVersion: apiVersionOf(resource),
        behaviour: customBehaviour,
        prefix: prefixOf(resource.group, resource.plural),
        stored: { apiVersion: apiVersionOf(home), kind: home.kind },
        staleUpTo: oneForm && strategy !== 'Webhook' ? revision : Number.POSITIVE_INFINITY,
        ...conversion,
        selectable: selectableOf(resource),
        ...(version.deprecated === true ? { deprecation: deprecationOf(resource, version) } : {}),
        definition: {
          name: definition.metadata.name ?? '',
          terminating: definition.metadata.deletionTimestamp !== undefined,
        },
        compiled: once(() => compileSchema(resource.schema)),
        columns: once(() => customColumns(resource)),
      };
    });
}

function deprecationOf(resource: ResourceInfo, version: { deprecationWarning?: string }): string {
  return version.deprecationWarning ?? `${apiVersionOf(resource)} ${resource.kind} is deprecated`;
}
