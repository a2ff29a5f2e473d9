/** What a CustomResourceDefinition must fulfil beyond its schema (apiextensions, validation.go). */

import type { FieldError } from '../../schema/contract.ts';
import { duplicate, forbidden, invalid, required, unsupported } from '../../schema/errors.ts';
import { asDefinition, type Definition, type DefinitionVersion } from '../catalog/definition.ts';
import { label1035Errors, subdomainErrors } from '../metadata/names.ts';
import type { KubeObject } from '../object.ts';
import { checkVersion, faults } from './versionrules.ts';
import { checkTarget } from './webhook.ts';

/** All faults of a definition; `old` is the stored one at updates. */
export function validateDefinition(object: KubeObject, old?: KubeObject): FieldError[] {
  const definition = asDefinition(object);
  return [
    ...(old === undefined ? checkCreation(definition) : []),
    ...checkNames(definition),
    ...checkVersions(definition),
    ...definition.spec.versions.flatMap((version, index) =>
      checkVersion(version, `spec.versions[${index}]`, versionBefore(old, version)),
    ),
    ...(old === undefined ? [] : checkChange(definition, asDefinition(old))),
  ];
}

function versionBefore(
  old: KubeObject | undefined,
  version: DefinitionVersion,
): DefinitionVersion | undefined {
  return old === undefined
    ? undefined
    : asDefinition(old).spec.versions.find(({ name }) => name === version.name);
}

const approval = 'api-approved.kubernetes.io';

/** What is asked of new definitions only: the name that follows from what is defined, and who may define in groups of Kubernetes. */
function checkCreation({ metadata, spec }: Definition): FieldError[] {
  const { names, group } = spec;
  const wanted = `${names.plural}.${group}`;
  const isProtected = /(^|\.)(k8s|kubernetes)\.io$/.test(group);
  const approved = metadata.annotations?.[approval] ?? '';
  return [
    ...(metadata.name === wanted
      ? []
      : [invalid('metadata.name', metadata.name ?? '', 'must be spec.names.plural+"."+spec.group')]),
    ...(isProtected && approved === ''
      ? [
          required(
            `metadata.annotations[${approval}]`,
            `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`,
          ),
        ]
      : []),
  ];
}

function checkNames({ spec }: Definition): FieldError[] {
  const { names, group, scope } = spec;
  const mixedCase = (text: string) =>
    label1035Errors(text.toLowerCase()).map(
      (fault) => `may have mixed case, but should otherwise match: ${fault}`,
    );
  const groupFaults = faults('spec.group', group, subdomainErrors);
  return [
    ...groupFaults,
    ...(groupFaults.length === 0 && !group.includes('.')
      ? [invalid('spec.group', group, 'should be a domain with at least one dot')]
      : []),
    ...faults('spec.names.plural', names.plural, label1035Errors),
    ...faults('spec.names.singular', names.singular ?? '', label1035Errors),
    ...faults('spec.names.kind', names.kind, mixedCase),
    ...faults('spec.names.listKind', names.listKind ?? '', mixedCase),
    ...(names.shortNames ?? []).flatMap((name, index) =>
      faults(`spec.names.shortNames[${index}]`, name, label1035Errors),
    ),
    ...(names.kind !== '' && names.kind === names.listKind
      ? [invalid('spec.names.listKind', names.listKind, 'kind and listKind may not be the same')]
      : []),
    ...(names.categories ?? []).flatMap((name, index) =>
      faults(`spec.names.categories[${index}]`, name, label1035Errors),
    ),
    ...(['Namespaced', 'Cluster'].includes(scope)
      ? []
      : [unsupported('spec.scope', scope, ['Cluster', 'Namespaced'])]),
  ];
}

function checkVersions({ spec }: Definition): FieldError[] {
  const { versions, conversion } = spec;
  const storage = versions.filter((version) => version.storage).length;
  const seen = new Set<string>();
  const repeated = versions.filter(({ name }) => seen.size === seen.add(name).size);
  return [
    ...repeated.map(({ name }) => duplicate('spec.versions', name)),
    ...(storage === 1
      ? []
      : [
          invalid(
            'spec.versions',
            versions.map(({ name }) => name),
            'must have exactly one version marked as storage version',
          ),
        ]),
    ...(spec.preserveUnknownFields === true
      ? [
          invalid(
            'spec.preserveUnknownFields',
            true,
            'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
          ),
        ]
      : []),
    ...checkConversion(conversion),
  ];
}

function checkConversion(conversion: Definition['spec']['conversion']): FieldError[] {
  const { strategy = 'None', webhook } = conversion ?? {};
  const path = 'spec.conversion.webhook';
  if (strategy === 'None') {
    return webhook === undefined
      ? []
      : [forbidden(path, 'should not be set when strategy is not set to Webhook')];
  }
  if (strategy !== 'Webhook') return [unsupported('spec.conversion.strategy', strategy, ['None', 'Webhook'])];
  const { clientConfig, conversionReviewVersions: versions = [] } = webhook ?? {};
  const reviews = `${path}.conversionReviewVersions`;
  return [
    ...(clientConfig === undefined
      ? [required(`${path}.clientConfig`, 'required when strategy is set to Webhook')]
      : checkTarget(clientConfig, `${path}.clientConfig`)),
    ...(Array.isArray(versions) && versions.length === 0 ? [required(reviews)] : []),
    ...(Array.isArray(versions) && (versions.length === 0 || versions.includes('v1'))
      ? []
      : [invalid(reviews, versions, 'must include at least one of v1')]),
  ];
}

function checkChange(definition: Definition, old: Definition): FieldError[] {
  const immutable: readonly (readonly [string, string, string])[] = [
    ['spec.group', definition.spec.group, old.spec.group],
    ['spec.scope', definition.spec.scope, old.spec.scope],
    ['spec.names.kind', definition.spec.names.kind, old.spec.names.kind],
    ['spec.names.plural', definition.spec.names.plural, old.spec.names.plural],
  ];
  const present = definition.spec.versions.map(({ name }) => name);
  return [
    ...immutable
      .filter(([, now, before]) => now !== before)
      .map(([field, now]) => invalid(field, now, 'field is immutable')),
    ...(definition.status?.storedVersions ?? [])
      .filter((name) => !present.includes(name))
      .map((name, index) =>
        invalid(
          `status.storedVersions[${index}]`,
          name,
          `missing from spec.versions; it was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
        ),
      ),
  ];
}
