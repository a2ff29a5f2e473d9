/** What kube-apiserver checks of a CertificateSigningRequest beyond its schema. Source: pkg/apis/certificates/validation of Kubernetes. */
import { X509Certificate } from 'node:crypto';
import { readRequest } from '../../base/pki/certificates.ts';
import type { FieldError } from '../../schema/contract.ts';
import { duplicate, forbidden, invalid, required, unsupported } from '../../schema/errors.ts';
import { labelErrors, subdomainErrors } from '../metadata/names.ts';
import { equalJson, isRecord, type KubeObject } from '../object.ts';
import type { StatusDoor } from '../resource.ts';
import { checkBase64 } from './data.ts';

type Fields = Record<string, unknown>;

const kindName = 'CertificateSigningRequest';

/** The spec, of which the schema has promised the shape. */
export function specOf({ spec }: KubeObject): Fields {
  return isRecord(spec) ? spec : {};
}

/** The status. */
export function statusOf({ status }: KubeObject): Fields {
  return isRecord(status) ? status : {};
}

/** The conditions themselves, not copies. */
export function conditionsOf(object: KubeObject): Fields[] {
  const { conditions } = statusOf(object);
  return Array.isArray(conditions) ? conditions.filter(isRecord) : [];
}

/** True for the conditions that only the approval subresource writes. */
export function isDecision({ type }: Fields): boolean {
  return type === 'Approved' || type === 'Denied';
}

/** All faults; the request itself is looked at once, as it never changes. */
export async function validateRequest(
  object: KubeObject,
  old?: KubeObject,
  door?: StatusDoor,
): Promise<FieldError[]> {
  checkBase64(kindName, 'spec', { request: String(specOf(object).request ?? '') });
  checkBase64(kindName, 'status', { certificate: String(statusOf(object).certificate ?? '') });
  return [
    ...(old === undefined ? await specFaults(specOf(object)) : changeFaults(object, old, door)),
    ...conditionFaults(conditionsOf(object)),
    ...certificateFaults(object, old),
  ];
}

async function specFaults(spec: Fields): Promise<FieldError[]> {
  const { request, usages, signerName, expirationSeconds: seconds } = spec;
  const pem = Buffer.from(String(request), 'base64').toString('latin1');
  const fault = await readRequest(pem).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return [
    ...(fault === undefined ? [] : [invalid('spec.request', request, fault)]),
    ...usageFaults(Array.isArray(usages) ? usages : []),
    ...signerFaults(String(signerName)),
    ...(typeof seconds === 'number' && seconds < 600
      ? [
          invalid(
            'spec.expirationSeconds',
            seconds,
            'may not specify a duration less than 600 seconds (10 minutes)',
          ),
        ]
      : []),
  ];
}

const knownUsages = [
  ...['any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign'],
  ...['data encipherment', 'decipher only', 'digital signature', 'email protection', 'encipher only'],
  ...['ipsec end system', 'ipsec tunnel', 'ipsec user', 'key agreement', 'key encipherment'],
  ...['microsoft sgc', 'netscape sgc', 'ocsp signing', 's/mime', 'server auth', 'signing', 'timestamping'],
];

function usageFaults(usages: readonly unknown[]): FieldError[] {
  const at = (index: number) => `spec.usages[${index}]`;
  return [
    ...(usages.length === 0 ? [required('spec.usages')] : []),
    ...usages.flatMap((usage, index) =>
      knownUsages.includes(String(usage)) ? [] : [unsupported(at(index), usage, knownUsages)],
    ),
    ...usages.flatMap((usage, index) => (usages.indexOf(usage) < index ? [duplicate(at(index), usage)] : [])),
  ];
}

/** `example.com/signer-name`. Source: ValidateSignerName of pkg/apis/certificates. */
function signerFaults(name: string): FieldError[] {
  const field = 'spec.signerName';
  if (name === '') return [required(field)];
  if (name === 'kubernetes.io/legacy-unknown') {
    return [invalid(field, name, 'the legacy signerName is not allowed via this API version')];
  }
  const [domain = '', path = '', ...rest] = name.split('/');
  if (!name.includes('/') || rest.length > 0) {
    const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalid(field, name, form)];
  }
  const partFaults = (part: string, check: (label: string) => string[]) => {
    const wrong = part.split('.').find((label) => check(label).length > 0);
    return (wrong === undefined ? [] : check(wrong)).map((why) =>
      invalid(field, part, `validating label ${JSON.stringify(wrong)}: ${why}`),
    );
  };
  return [
    ...partFaults(domain, labelErrors),
    ...(domain.includes('.')
      ? []
      : [invalid(field, domain, 'should be a domain with at least two segments separated by dots')]),
    ...partFaults(path, subdomainErrors),
  ];
}

function conditionFaults(conditions: readonly Fields[]): FieldError[] {
  const types = conditions.map(({ type }) => String(type));
  return conditions.flatMap(({ type, status }, index) => {
    const at = (name: string) => `status.conditions[${index}].${name}`;
    const final = isDecision({ type }) || type === 'Failed';
    const allowed = final ? ['True'] : ['False', 'True', 'Unknown'];
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    return [
      ...(type === '' ? [required(at('type'))] : []),
      ...(status === '' ? [required(at('status'))] : []),
      ...(status === '' || allowed.includes(String(status))
        ? []
        : [unsupported(at('status'), status, allowed)]),
      ...(other !== undefined && types.indexOf(other) >= 0 && types.indexOf(other) < index
        ? [invalid(at('type'), type, 'Approved and Denied conditions are mutually exclusive')]
        : []),
      ...(types.indexOf(String(type)) < index ? [duplicate(at('type'), type)] : []),
    ];
  });
}

/** What may not change, or not through this door. */
function changeFaults(object: KubeObject, old: KubeObject, door: StatusDoor | undefined): FieldError[] {
  const refused = (verb: string, type: string) =>
    forbidden('status.conditions', `updates may not ${verb} a condition of type ${JSON.stringify(type)}`);
  const faults = ['Approved', 'Denied', 'Failed'].flatMap((type) => {
    const [before, after] = [old, object].map((one) =>
      conditionsOf(one).filter((item) => item.type === type),
    );
    if (before === undefined || after === undefined) return [];
    if (after.length < before.length) return [refused('remove', type)];
    if (door === 'approval' || type === 'Failed') return [];
    if (after.length > before.length) return [refused('add', type)];
    return equalJson(before, after) ? [] : [refused('modify', type)];
  });
  const { certificate: before = '' } = statusOf(old);
  const { certificate: after = '' } = statusOf(object);
  if (before === after) return faults;
  const why =
    door !== 'status'
      ? 'updates may not set certificate content'
      : before === ''
        ? undefined
        : 'updates may not modify existing certificate content';
  return why === undefined ? faults : [...faults, forbidden('status.certificate', why)];
}

function certificateFaults(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const { certificate = '' } = statusOf(object);
  if (certificate === '' || (old !== undefined && statusOf(old).certificate === certificate)) return [];
  const fault = pemFault(Buffer.from(String(certificate), 'base64').toString('latin1'));
  if (fault === undefined) return [];
  return [
    { ...invalid('status.certificate', '', fault), message: `Invalid value: "<certificate data>": ${fault}` },
  ];
}

function pemFault(pem: string): string | undefined {
  const blocks = [...pem.matchAll(/-----BEGIN ([^-\n]+)-----\n([^-]*)-----END \1-----/g)];
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  for (const [block, type, body = ''] of blocks) {
    if (type !== 'CERTIFICATE')
      return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (body.includes(':')) return 'no PEM block headers are permitted';
    try {
      new X509Certificate(block);
    } catch {
      return 'a CERTIFICATE PEM block holds no certificate';
    }
  }
  return undefined;
}
