/** Requests for certificates: who may ask, decide and sign. */
import { type Case, type Step, step } from '../suite.ts';

const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const at = `${requests}/{ns}`;
const merge = 'application/merge-patch+json';
const client = 'kubernetes.io/kube-apiserver-client';

/** `openssl req -new -subj /O=dev/CN=jane`, in base64; nobody has its key any more. */
const ofJane =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWU1IOENBUUF3SFRFTU1Bb0dBMVVFQ2d3RFpHVjJNUTB3Q3dZ' +
  'RFZRUUREQVJxWVc1bE1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUVySGlaY0NvaUdZMnVnck9pTTMvSHZacTEv' +
  'U1c1TEdyYTRpcVpZUU45Cm9yZDJKbmlQL25ZL3ZEdThZQ3dmejByaEJQOGpDZVNHcmNiZFhPaGxMNEpjVEtBQU1Bb0dDQ3FHU000' +
  'OUJBTUMKQTBrQU1FWUNJUURMUHdDRDBkN09va1I5ZC9zTGtKY21NMkNYMUt6L0hHeUJvNzl4YTVwWkt3SWhBT0lraDk2TwpCL0w0' +
  'NTVSYi8zeFBTVWRNSHRybWZheGNlM1prZmp4YmdoWHMKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==';
/** The same for /O=system:masters/CN=jane. */
const ofMaster =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIa01JR0tBZ0VBTUNneEZ6QVZCZ05WQkFvTURuTjVjM1JsYlRw' +
  'dFlYTjBaWEp6TVEwd0N3WURWUVFEREFScQpZVzVsTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0FFUkpPZm9sZ3Yz' +
  'UWlHK3FDUlFSMEUrSVJTCit4RFV3VG5FNlh2UW9MNUJGZFF0MWVFUUZVcjNuVEd3L0d3MlVmTnJlMVJUaEtzWFEzbG82WkcyeEx5' +
  'bUZhQUEKTUFvR0NDcUdTTTQ5QkFNQ0Ewa0FNRVlDSVFENHNscFB6Z3hQVnYrbmtJUHBEaUd5czFYdFJwVHhDTkNxRysxRQpoZmE1' +
  'Z3dJaEFLY1A5Z1FSQVBrQlZwbTZuNUtQWDhHdTJKUTdUeDdLM1Q2VkF0Vyt5bkhQCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVF' +
  'U1QtLS0tLQo=';

/** Named like the namespace of the case; it is no object in it, so cases end with `gone`. */
const csr = (spec: Record<string, unknown>) => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: { name: '{ns}' },
  spec: { request: ofJane, signerName: 'example.com/{ns}', usages: ['client auth'], ...spec },
});
const gone = step('DELETE', at, { code: 200 });
const decision = (type: 'Approved' | 'Denied') => ({
  status: { conditions: [{ type, status: 'True', reason: 'Contract', message: 'decided' }] },
});
const invalid = (spec: Record<string, unknown>, message: string): Step =>
  step('POST', requests, { code: 422, body: { reason: 'Invalid', message } }, { body: csr(spec) });

export const certificateCases: Case[] = [
  {
    name: 'a request bears the name of its sender, has no decision and never changes',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        requests,
        {
          code: 201,
          body: {
            spec: { username: '{ns}-jane', groups: ['system:masters', 'system:authenticated'] },
            status: { conditions: '<absent>', certificate: '<absent>' },
          },
        },
        {
          as: { user: '{ns}-jane', groups: ['system:masters'] },
          body: { ...csr({ username: 'other', groups: ['others'] }), ...decision('Approved') },
        },
      ),
      step(
        'PATCH',
        at,
        {
          code: 200,
          body: {
            metadata: { labels: { a: 'b' } },
            spec: { usages: ['client auth'], username: '{ns}-jane' },
            status: { conditions: '<absent>' },
          },
        },
        {
          type: merge,
          body: {
            metadata: { labels: { a: 'b' } },
            spec: { usages: ['any'], username: 'x' },
            ...decision('Denied'),
          },
        },
      ),
      step('GET', `${requests}?fieldSelector=spec.signerName%3Dexample.com/{ns}`, {
        code: 200,
        body: { items: [{ metadata: { name: '{ns}' } }] },
      }),
      gone,
    ],
  },
  {
    name: 'a request is checked when it is made',
    comparedWith: '1.33.4',
    steps: [
      invalid(
        { request: 'YQ==' },
        '/spec.request: Invalid value: .*PEM block type must be CERTIFICATE REQUEST/',
      ),
      invalid({ usages: [] }, '/spec.usages: Required value/'),
      invalid(
        { usages: ['walk'] },
        '/spec.usages\\[0\\]: Unsupported value: "walk": supported values: "any"/',
      ),
      invalid({ usages: ['any', 'any'] }, '/spec.usages\\[1\\]: Duplicate value: "any"/'),
      invalid(
        { signerName: 'x' },
        "/must be a fully qualified domain and path of the form 'example.com/signer-name'/",
      ),
      invalid({ signerName: 'x/y' }, '/should be a domain with at least two segments separated by dots/'),
      invalid({ signerName: 'kubernetes.io/legacy-unknown' }, '/the legacy signerName is not allowed/'),
      invalid(
        { expirationSeconds: 599 },
        '/spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds/',
      ),
      step(
        'POST',
        requests,
        {
          code: 403,
          body: { message: `/use of ${client} signer with system:masters group is not allowed/` },
        },
        { body: csr({ request: ofMaster, signerName: client }) },
      ),
    ],
  },
  {
    name: 'a decision is made once, through its own subresource',
    comparedWith: '1.33.4',
    steps: [
      step('POST', requests, { code: 201 }, { body: csr({}) }),
      step(
        'PATCH',
        `${at}/status`,
        { code: 422, body: { message: '/updates may not add a condition of type "Approved"/' } },
        { type: merge, body: decision('Approved') },
      ),
      step(
        'PATCH',
        `${at}/approval`,
        {
          code: 200,
          body: {
            status: {
              conditions: [{ type: 'Approved', lastUpdateTime: '<any>', lastTransitionTime: '<any>' }],
              certificate: '<absent>',
            },
          },
        },
        { type: merge, body: { status: { ...decision('Approved').status, certificate: 'eA==' } } },
      ),
      step(
        'PATCH',
        `${at}/approval`,
        { code: 422, body: { message: '/updates may not remove a condition of type "Approved"/' } },
        { type: merge, body: decision('Denied') },
      ),
      gone,
    ],
  },
  {
    name: 'a decision takes the right to approve for the signer',
    comparedWith: '1.33.4',
    steps: [
      step('POST', requests, { code: 201 }, { body: csr({}) }),
      step(
        'POST',
        '/apis/rbac.authorization.k8s.io/v1/clusterroles',
        { code: 201 },
        {
          body: {
            metadata: { name: '{ns}' },
            rules: [
              {
                apiGroups: ['certificates.k8s.io'],
                resources: ['certificatesigningrequests/approval', 'certificatesigningrequests/status'],
                verbs: ['patch'],
              },
            ],
          },
        },
      ),
      step(
        'POST',
        '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
        { code: 201 },
        {
          body: {
            metadata: { name: '{ns}' },
            roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: '{ns}' },
            subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: '{ns}-jane' }],
          },
        },
      ),
      step(
        'PATCH',
        `${at}/approval`,
        {
          code: 403,
          body: {
            message:
              'certificatesigningrequests.certificates.k8s.io "{ns}" is forbidden: user not permitted to approve requests with signerName "example.com/{ns}"',
          },
          eventually: true,
        },
        { as: { user: '{ns}-jane' }, type: merge, body: decision('Approved') },
      ),
      step(
        'PATCH',
        '/apis/rbac.authorization.k8s.io/v1/clusterroles/{ns}',
        { code: 200 },
        {
          type: 'application/json-patch+json',
          body: [
            {
              op: 'add',
              path: '/rules/-',
              value: {
                apiGroups: ['certificates.k8s.io'],
                resources: ['signers'],
                resourceNames: ['example.com/*'],
                verbs: ['approve'],
              },
            },
          ],
        },
      ),
      step(
        'PATCH',
        `${at}/approval`,
        { code: 200, eventually: true },
        { as: { user: '{ns}-jane' }, type: merge, body: decision('Approved') },
      ),
      step('DELETE', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{ns}', { code: 200 }),
      step('DELETE', '/apis/rbac.authorization.k8s.io/v1/clusterroles/{ns}', { code: 200 }),
      gone,
    ],
  },
  {
    name: 'a signer puts the certificate in, once, and nothing but certificates',
    comparedWith: '1.33.4',
    steps: [
      step('POST', requests, { code: 201 }, { body: csr({}) }),
      step(
        'PATCH',
        `${at}/status`,
        {
          code: 422,
          body: { message: '/status.certificate: Invalid value: .*at least one CERTIFICATE PEM block/' },
        },
        { type: merge, body: { status: { certificate: 'eA==' } } },
      ),
      step(
        'PATCH',
        at,
        { code: 200, body: { status: { certificate: '<absent>' } } },
        { type: merge, body: { status: { certificate: 'eA==' } } },
      ),
      step(
        'PATCH',
        `${at}/status`,
        { code: 200, body: { status: { conditions: [{ type: 'Failed', lastUpdateTime: '<any>' }] } } },
        {
          type: merge,
          body: {
            status: { conditions: [{ type: 'Failed', status: 'True', reason: 'Contract', message: 'no' }] },
          },
        },
      ),
      gone,
    ],
  },
  {
    name: 'an approved request for a client certificate is signed',
    comparedWith: '1.33.4',
    steps: [
      step('POST', requests, { code: 201 }, { body: csr({ signerName: client, expirationSeconds: 600 }) }),
      step('PATCH', `${at}/approval`, { code: 200 }, { type: merge, body: decision('Approved') }),
      step('GET', at, {
        code: 200,
        body: { status: { certificate: '/^LS0tLS1CRUdJTiBDRVJU/' } },
        eventually: true,
      }),
      step(
        'GET',
        requests,
        { code: 200, text: /"Approved,Issued"/ },
        { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
      ),
      gone,
    ],
  },
  {
    name: 'a request for a client certificate fails in sight when its usages are others',
    comparedWith: '1.33.4',
    steps: [
      step('POST', requests, { code: 201 }, { body: csr({ signerName: client, usages: ['server auth'] }) }),
      step('PATCH', `${at}/approval`, { code: 200 }, { type: merge, body: decision('Approved') }),
      step('GET', at, {
        code: 200,
        body: {
          status: {
            conditions: [
              { type: 'Approved' },
              {
                type: 'Failed',
                reason: 'SignerValidationFailure',
                message: 'invalid usage for client certificate: server auth',
              },
            ],
            certificate: '<absent>',
          },
        },
        eventually: true,
      }),
      gone,
    ],
  },
];
