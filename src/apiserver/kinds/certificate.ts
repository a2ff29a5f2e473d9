/**
 * CertificateSigningRequest: a client asks to have its key signed, somebody with the right to approve agrees, a signer signs.
 * https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
 */
import { pathSegmentErrors } from '../metadata/names.ts';
import type { KubeObject } from '../object.ts';
import { humanDuration } from '../table/age.ts';
import { ageColumn, column, nameColumn } from '../table/columns.ts';
import { conditionsOf, isDecision, specOf, statusOf, validateRequest } from './certificaterules.ts';
import { kind } from './kind.ts';
import { integer, keyedBy, listOf, mapOf, record, text, time } from './schema.ts';

const strings = (description: string) => listOf(text('A value.'), description);

const condition = record(
  'A decision on the request, or a failure to sign it.',
  {
    type: text('Approved, Denied or Failed.'),
    status: text('True, False or Unknown; True for the three types named.'),
    reason: text('The cause in one word.'),
    message: text('The cause in a sentence.'),
    lastUpdateTime: time('When the condition was last written.'),
    lastTransitionTime: time('When status last changed.'),
  },
  { required: ['type', 'status'] },
);

/** The CertificateSigningRequest kind. */
export const certificateRequestKind = kind({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  shortNames: ['csr'],
  namespaced: false,
  description: 'CertificateSigningRequest asks a signer for a certificate, once somebody has approved it.',
  status: true,
  approval: true,
  selectableFields: ['.spec.signerName'],
  fields: {
    spec: record(
      'What is asked for. Immutable.',
      {
        request: text('A PKCS #10 request in PEM, in base64.', { format: 'byte' }),
        signerName: text('Who shall sign, such as kubernetes.io/kube-apiserver-client.'),
        expirationSeconds: integer(
          'How long the certificate shall be good, 600 or more. A signer may shorten it.',
        ),
        usages: strings('What the certificate is for, such as "client auth".'),
        username: text('Who asks. Set by the server.'),
        uid: text('The unique id of who asks. Set by the server.'),
        groups: strings('The groups of who asks. Set by the server.'),
        extra: mapOf(strings('Values.'), 'What else is known of who asks. Set by the server.'),
      },
      { required: ['request', 'signerName'] },
    ),
    status: record('What came of it.', {
      conditions: keyedBy('type', condition, 'The decisions.'),
      certificate: text('The certificate in PEM, in base64, with those between it and the root.', {
        format: 'byte',
      }),
    }),
  },
  required: ['spec'],
  behaviour: {
    nameErrors: pathSegmentErrors,
    prepareCreate: (object, _time, user) => {
      const { username: _name, uid: _uid, groups: _groups, extra: _extra, ...asked } = specOf(object);
      object.spec = {
        ...asked,
        ...(user === undefined ? {} : { username: user.name, groups: [...user.groups] }),
        ...(user?.uid === undefined ? {} : { uid: user.uid }),
        ...(user?.extra === undefined ? {} : { extra: user.extra }),
      };
      object.status = {};
    },
    prepareUpdate: (object, old, now, door) => {
      object.spec = old.spec;
      if (door === undefined) return;
      object.status = door === 'approval' ? approvalOf(object, old) : signingOf(object, old);
      stamp(object, old, now);
    },
    validate: validateRequest,
  },
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', (object) => String(specOf(object).signerName ?? '<none>')),
    column('Requestor', (object) => String(specOf(object).username ?? '')),
    column('RequestedDuration', (object) => {
      const { expirationSeconds } = specOf(object);
      return typeof expirationSeconds === 'number' ? humanDuration(expirationSeconds * 1000) : '<none>';
    }),
    column('Condition', summary),
  ],
});

/** What a write through each door may change of status: the decision, or the certificate and failures. */
const approvalOf = (object: KubeObject, old: KubeObject) => {
  const { conditions } = statusOf(object);
  return { ...statusOf(old), ...(conditions === undefined ? {} : { conditions }) };
};

/** Decisions are put back as they were, so that a signer that read old ones does not take them away or forge them. */
function signingOf(object: KubeObject, old: KubeObject): Record<string, unknown> {
  const decided = conditionsOf(old).filter(isDecision);
  const conditions = conditionsOf(object).map((asked) =>
    isDecision(asked) ? (decided.find(({ type }) => type === asked.type) ?? asked) : asked,
  );
  return { ...statusOf(object), ...(conditions.length === 0 ? {} : { conditions }) };
}

/** Times that a writer left out. */
function stamp(object: KubeObject, old: KubeObject, now: string): void {
  const before = conditionsOf(old);
  for (const condition of conditionsOf(object)) {
    condition.lastUpdateTime ??= now;
    const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
    condition.lastTransitionTime ??= same?.lastTransitionTime ?? now;
  }
}

/** The state in one word or two, as `kubectl get csr` shows it. */
function summary(object: KubeObject): string {
  const has = (wanted: string) => conditionsOf(object).some(({ type }) => type === wanted);
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  const { certificate } = statusOf(object);
  return `${decision}${has('Failed') ? ',Failed' : ''}${certificate ? ',Issued' : ''}`;
}
