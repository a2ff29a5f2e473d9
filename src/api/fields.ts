/**
 * The building blocks of Vireo's schemas: each makes a TypeBox schema that already is structural OpenAPI v3, bounded and named as
 * Kubernetes API conventions ask. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import Type, { type Static, type TSchema } from 'typebox';
import type { ValidationRule } from '../schema/contract.ts';

/** A CEL rule for x-kubernetes-validations. */
export type Rules = readonly ValidationRule[];

/** One of `values`; the TypeScript type is their union. */
export function oneOf<const T extends readonly string[]>(
  values: T,
  description: string,
  defaultValue?: T[number],
) {
  return Type.Unsafe<T[number]>({
    type: 'string',
    enum: [...values],
    description,
    ...(defaultValue === undefined ? {} : { default: defaultValue }),
  });
}

export function text(
  description: string,
  maxLength = 256,
  options: { pattern?: string; minLength?: number } = {},
) {
  return Type.String({ description, maxLength, ...options });
}

/** A name that is a DNS label (RFC 1123): names of disks, interfaces, guests. */
export function dnsLabel(description: string, maxLength = 63) {
  return text(description, maxLength, { pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', minLength: 1 });
}

/** A name that may have dots (RFC 1123 subdomain): pools, images, hosts. */
export function objectName(description: string) {
  return text(description, 253, { pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', minLength: 1 });
}

/** An amount of bytes above zero as a Kubernetes quantity, for example `512Mi` or `20Gi`. */
export function bytes(description: string) {
  return text(description, 20, { pattern: '^[1-9][0-9]{0,15}(\\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$' });
}

export function integer(description: string, minimum: number, maximum: number, defaultValue?: number) {
  return Type.Integer({
    description,
    minimum,
    maximum,
    ...(defaultValue === undefined ? {} : { default: defaultValue }),
  });
}

export function flag(description: string, defaultValue?: boolean) {
  return Type.Boolean({ description, ...(defaultValue === undefined ? {} : { default: defaultValue }) });
}

/** RFC 3339 time. */
export function time(description: string) {
  return Type.String({ description, format: 'date-time', maxLength: 64 });
}

/** A list of objects told apart by `keys`. */
export function mapList<T extends TSchema>(
  item: T,
  keys: readonly string[],
  maxItems: number,
  description: string,
) {
  return Type.Array(item, {
    description,
    maxItems,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': [...keys],
  });
}

/** A list without duplicates. */
export function setList<T extends TSchema>(item: T, maxItems: number, description: string) {
  return Type.Array(item, { description, maxItems, 'x-kubernetes-list-type': 'set' });
}

/** A list replaced as a whole. */
export function atomicList<T extends TSchema>(item: T, maxItems: number, description: string) {
  return Type.Array(item, { description, maxItems, 'x-kubernetes-list-type': 'atomic' });
}

/** Label-like strings by key. */
export function stringMap(description: string, maxProperties: number) {
  return Type.Unsafe<Record<string, string>>({
    type: 'object',
    description,
    maxProperties,
    additionalProperties: { type: 'string', maxLength: 256 },
  });
}

type Properties = Record<string, TSchema>;

export function object<P extends Properties>(description: string, properties: P, rules?: Rules) {
  return Type.Object(properties, {
    description,
    ...(rules === undefined ? {} : { 'x-kubernetes-validations': rules }),
  });
}

/** An object of which exactly one member is set: a union as Kubernetes writes it, held by a CEL rule. */
export function union<P extends Properties>(description: string, members: P) {
  const names = Object.keys(members);
  const count = names.map((name) => `(has(self.${name}) ? 1 : 0)`).join(' + ');
  const optional = Object.fromEntries(names.map((name) => [name, Type.Optional(members[name] as TSchema)]));
  return Type.Object(optional as { [K in keyof P]: ReturnType<typeof Type.Optional<P[K]>> }, {
    description,
    'x-kubernetes-validations': [
      { rule: `${count} == 1`, message: `exactly one of ${names.join(', ')} must be set` },
    ],
  });
}

export const condition = object('One aspect of the state (metav1.Condition).', {
  type: text('Type of the condition in CamelCase.', 316),
  status: oneOf(['True', 'False', 'Unknown'], 'Status of the condition.'),
  reason: text('Constant reason in CamelCase.', 1024),
  message: text('What it means and what to do.', 32768),
  lastTransitionTime: time('When the status changed last.'),
  observedGeneration: Type.Optional(
    Type.Integer({ description: 'Generation the condition speaks of.', format: 'int64', minimum: 0 }),
  ),
});

export const conditions = Type.Optional(
  mapList(condition, ['type'], 32, 'Conditions; Reconciling and Stalled exist only while True.'),
);

export const observedGeneration = Type.Optional(
  Type.Integer({ description: 'Generation of the spec this status speaks of.', format: 'int64', minimum: 0 }),
);

export type { Static, TSchema };
export { Type };
