/** The token subresource of ServiceAccount: TokenRequest in, a signed token that expires out. */
import { timeOf } from '../../base/clock.ts';
import { printJson } from '../../schema/json.ts';
import type { Answer, Answerer } from '../access/questions/questions.ts';
import { servedKind } from '../catalog/served.ts';
import { kind } from '../kinds/kind.ts';
import { listOf, record, text, time } from '../kinds/schema.ts';
import { newUid } from '../metadata/identity.ts';
import { isRecord, type KubeObject } from '../object.ts';
import type { Context } from '../registry/context.ts';
import { badRequest, conflict, invalid, notFound } from '../status.ts';
import { pluralOf, readCore } from './accounts.ts';
import { type AccountClaims, type BoundKind, boundClaims, boundKinds } from './claims.ts';
import type { Signer } from './signer.ts';

const defaultSeconds = 3600;
const leastSeconds = 600;
const mostSeconds = 2 ** 32;
/** No claim beyond this many audiences: a token travels in a header. */
const audienceLimit = 32;

/** How a TokenRequest is read. It is no resource of its own, so discovery does not list it. */
const tokenRequestKind = kind({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: 'tokenrequests',
  namespaced: true,
  description: 'TokenRequest requests a token for a service account.',
  fields: {
    spec: record('What the token shall be.', {
      audiences: listOf(text('An audience.'), 'Whom the token is meant for; empty: this server.'),
      expirationSeconds: {
        type: 'integer',
        format: 'int64',
        description: 'How long it shall be good. Default 3600.',
      },
      boundObjectRef: record('What the token lives and dies with.', {
        kind: text('Pod, Secret or Node.'),
        apiVersion: text('v1.'),
        name: text('The name.'),
        uid: text('The uid.'),
      }),
    }),
    status: record('The token.', { token: text('The token.'), expirationTimestamp: time('When it ends.') }),
  },
  verbs: ['create'],
});

/** Who answers `serviceaccounts/token`. `issuer` is also the audience of a token that names none. */
export function tokenRequests(context: Context, signer: Signer, issuer: string): Answerer {
  const answer: Answer = async ({ object, target, dryRun }) => {
    const { namespace = '', name = '' } = target;
    const account = readCore(context, 'serviceaccounts', namespace, name);
    if (account === undefined) throw notFound({ group: '', plural: 'serviceaccounts' }, name);
    const spec = isRecord(object.spec) ? object.spec : {};
    const seconds = secondsOf(spec.expirationSeconds);
    const audiences = audiencesOf(spec.audiences, issuer);
    const bound = boundOf(context, namespace, spec.boundObjectRef);
    const claims: AccountClaims = {
      namespace,
      account: { name, uid: account.metadata.uid ?? '' },
      ...(bound === undefined ? {} : { bound }),
    };
    const now = Math.floor(context.clock.now() / 1000);
    const token = dryRun
      ? ''
      : await signer.sign({
          aud: audiences,
          exp: now + seconds,
          iat: now,
          iss: issuer,
          jti: newUid(context.random),
          nbf: now,
          sub: `system:serviceaccount:${namespace}:${name}`,
          ...boundClaims(claims),
        });
    const expirationTimestamp = timeOf((now + seconds) * 1000);
    return {
      ...object,
      metadata: { ...object.metadata, name, namespace, creationTimestamp: null },
      spec: { ...spec, audiences, expirationSeconds: seconds },
      status: { token, expirationTimestamp },
    } satisfies KubeObject;
  };
  return { served: servedKind(tokenRequestKind), answer };
}

function refused(field: string, value: unknown, why: string) {
  const message = `Invalid value: ${printJson(value)}: ${why}`;
  return invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
    { type: 'FieldValueInvalid', field, message },
  ]);
}

function secondsOf(value: unknown): number {
  if (value === undefined) return defaultSeconds;
  const field = 'spec.expirationSeconds';
  // Beyond 2^53 numbers are bigints.
  const seconds = Number(value);
  if (!(seconds >= leastSeconds)) {
    throw refused(field, value, 'may not specify a duration less than 10 minutes');
  }
  if (seconds > mostSeconds)
    throw refused(field, value, 'may not specify a duration larger than 2^32 seconds');
  return seconds;
}

function audiencesOf(value: unknown, issuer: string): string[] {
  const asked = Array.isArray(value) ? value.map(String) : [];
  if (asked.length > audienceLimit)
    throw refused('spec.audiences', asked.length, `must have at most ${audienceLimit} items`);
  return asked.length === 0 ? [issuer] : asked;
}

function boundOf(context: Context, namespace: string, value: unknown): AccountClaims['bound'] {
  if (!isRecord(value)) return undefined;
  const { kind: name, apiVersion } = value;
  const known: BoundKind | undefined = boundKinds.find((item) => item === name);
  if (known === undefined || (apiVersion !== undefined && apiVersion !== '' && apiVersion !== 'v1')) {
    const version = typeof apiVersion === 'string' ? apiVersion : '';
    const qualified = version.includes('/') ? version : `/${version}`;
    throw badRequest(`cannot bind token to object of type ${qualified}, Kind=${name}`);
  }
  const plural = pluralOf(known);
  const referent = typeof value.name === 'string' ? value.name : '';
  const found = readCore(context, plural, namespace, referent);
  if (found === undefined) throw notFound({ group: '', plural }, referent);
  const uid = found.metadata.uid ?? '';
  if (typeof value.uid === 'string' && value.uid !== '' && value.uid !== uid) {
    throw conflict(
      { group: '', plural: known },
      referent,
      `the UID in the bound object reference (${value.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { kind: known, referent: { name: referent, uid } };
}
