/** ConfigMap and Secret: small data kept by name, a Secret's in base64 and with a type. */
import type { FieldError } from '../../schema/contract.ts';
import { forbidden, invalid, required } from '../../schema/errors.ts';
import { dataKeyErrors } from '../metadata/names.ts';
import { equalJson, isRecord, type KubeObject } from '../object.ts';
import { badRequest } from '../status.ts';
import { ageColumn, column, nameColumn } from '../table/columns.ts';
import { kind } from './kind.ts';
import { mapOf, text, truth } from './schema.ts';

const sizeLimitBytes = 1024 * 1024;
const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Values by key. */
export type Strings = { readonly [key: string]: string };

function stringsOf(value: unknown): Strings {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function countOf(value: unknown): number {
  return isRecord(value) ? Object.keys(value).length : 0;
}

function keyFaults(field: string, data: Strings): FieldError[] {
  return Object.keys(data).flatMap((key) =>
    dataKeyErrors(key).map((fault) => invalid(`${field}[${key}]`, key, fault)),
  );
}

function sizeFaults(field: string, bytes: number): FieldError[] {
  if (bytes <= sizeLimitBytes) return [];
  return [
    { type: 'FieldValueTooLong', field, message: `Too long: may not be more than ${sizeLimitBytes} bytes` },
  ];
}

function immutableFaults(object: KubeObject, old: KubeObject, fields: readonly string[]): FieldError[] {
  if (old.immutable !== true) return [];
  const why = 'field is immutable when `immutable` is set';
  return [
    ...(object.immutable === true ? [] : [forbidden('immutable', why)]),
    ...fields
      .filter((field) => !equalJson(object[field] ?? {}, old[field] ?? {}))
      .map((field) => forbidden(field, why)),
  ];
}

/** The number of bytes in values that are base64; refused with 400 when they are none, as a decoder would. */
export function checkBase64(kindName: string, field: string, data: Strings): number {
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    const plain = value.replace(/[\r\n]/g, '');
    if (!base64Form.test(plain)) {
      throw badRequest(
        `${kindName} in version "v1" cannot be handled as a ${kindName}: illegal base64 data in ${field}.${key}`,
      );
    }
    bytes += Math.floor((plain.length * 3) / 4);
  }
  return bytes;
}

function bytesOf(data: Strings): number {
  return Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value), 0);
}

function validateConfigMap(object: KubeObject, old?: KubeObject): FieldError[] {
  const data = stringsOf(object.data);
  const binary = stringsOf(object.binaryData);
  const size = bytesOf(data) + checkBase64('ConfigMap', 'binaryData', binary);
  return [
    ...keyFaults('data', data),
    ...keyFaults('binaryData', binary),
    ...Object.keys(data)
      .filter((key) => Object.hasOwn(binary, key))
      .map((key) => invalid(`data[${key}]`, key, 'duplicate of key present in binaryData')),
    ...sizeFaults('', size),
    ...(old === undefined ? [] : immutableFaults(object, old, ['data', 'binaryData'])),
  ];
}

/** The ConfigMap kind. */
export const configMapKind = kind({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  description: 'ConfigMap holds configuration data for programs to consume.',
  fields: {
    data: mapOf(text('A value in UTF-8.'), 'The configuration data.'),
    binaryData: mapOf(
      text('A value in base64.', { format: 'byte' }),
      'Configuration data that is not UTF-8, in base64.',
    ),
    immutable: truth('If true, data cannot be updated any more.'),
  },
  behaviour: { validate: validateConfigMap },
  columns: [
    nameColumn,
    column('Data', (object) => countOf(object.data) + countOf(object.binaryData), { type: 'string' }),
    ageColumn,
  ],
});

/** The data keys some types of Secret must have. */
const requiredKeys: { readonly [type: string]: readonly string[] } = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};
const accountTokenType = 'kubernetes.io/service-account-token';
const accountAnnotation = 'kubernetes.io/service-account.name';

/** stringData is a convenience of writing: it is merged into data and never stored or read back. */
function mergeStringData(object: KubeObject): void {
  const additions = Object.entries(stringsOf(object.stringData));
  delete object.stringData;
  if (additions.length > 0) {
    const encoded = additions.map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    object.data = { ...stringsOf(object.data), ...Object.fromEntries(encoded) };
  }
  object.type ??= 'Opaque';
}

function validateSecret(object: KubeObject, old?: KubeObject): FieldError[] {
  const data = stringsOf(object.data);
  const type = String(object.type ?? '');
  const size = checkBase64('Secret', 'data', data);
  const annotated = object.metadata.annotations?.[accountAnnotation];
  return [
    ...keyFaults('data', data),
    ...sizeFaults('data', size),
    ...(requiredKeys[type] ?? [])
      .filter((key) => !Object.hasOwn(data, key))
      .map((key) => required(`data[${key}]`)),
    ...(type === accountTokenType && !annotated
      ? [required(`metadata.annotations[${accountAnnotation}]`)]
      : []),
    ...(old !== undefined && old.type !== object.type ? [invalid('type', type, 'field is immutable')] : []),
    ...(old === undefined ? [] : immutableFaults(object, old, ['data'])),
  ];
}

/** The Secret kind. */
export const secretKind = kind({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  description: 'Secret holds secret data. Its total size must be less than 1 MiB.',
  selectableFields: ['.type'],
  fields: {
    data: mapOf(text('A value in base64.', { format: 'byte' }), 'The secret data in base64.'),
    stringData: mapOf(text('A value.'), 'Secret data as plain text; write-only, merged into data.'),
    immutable: truth('If true, data cannot be updated any more.'),
    type: text('How programs may treat the data.'),
  },
  behaviour: {
    prepareCreate: mergeStringData,
    prepareUpdate: mergeStringData,
    validate: validateSecret,
  },
  columns: [
    nameColumn,
    column('Type', (object) => String(object.type ?? '')),
    column('Data', (object) => countOf(object.data), { type: 'string' }),
    ageColumn,
  ],
});
