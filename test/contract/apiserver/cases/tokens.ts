/** Tokens of service accounts: for whom, how long, and what takes them back. */
import { type Case, type Step, step } from '../suite.ts';

const accounts = '/api/v1/namespaces/{ns}/serviceaccounts';
const secrets = '/api/v1/namespaces/{ns}/secrets';
const reviews = '/apis/authentication.k8s.io/v1/tokenreviews';
const whoAmI = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const bot = 'system:serviceaccount:{ns}:bot';

const account = step('POST', accounts, { code: 201 }, { body: { metadata: { name: 'bot' } } });
const token = (spec: Record<string, unknown> = {}): Step =>
  step(
    'POST',
    `${accounts}/bot/token`,
    { code: 201, body: { kind: 'TokenRequest', status: { token: '<any>', expirationTimestamp: '<any>' } } },
    { body: { spec }, save: { token: 'status.token' } },
  );
const unauthorized = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'Unauthorized',
  reason: 'Unauthorized',
  code: 401,
};

export const tokenCases: Case[] = [
  {
    name: 'a token lets its account in, and the account is what it says',
    comparedWith: '1.33.4',
    steps: [
      account,
      token(),
      step(
        'POST',
        whoAmI,
        {
          code: 201,
          body: {
            status: {
              userInfo: {
                username: bot,
                uid: '<any>',
                groups: ['system:serviceaccounts', 'system:serviceaccounts:{ns}', 'system:authenticated'],
                extra: { 'authentication.kubernetes.io/credential-id': ['/^JTI=.+/'] },
              },
            },
          },
        },
        { token: '{token}', body: {} },
      ),
      step(
        'GET',
        secrets,
        {
          code: 403,
          body: { message: '/User "system:serviceaccount:{ns}:bot" cannot list resource "secrets"/' },
        },
        { token: '{token}' },
      ),
      step(
        'GET',
        secrets,
        {
          code: 403,
          body: {
            message:
              'users "x" is forbidden: User "system:serviceaccount:{ns}:bot" cannot impersonate resource "users" in API group "" at the cluster scope',
          },
        },
        { token: '{token}', as: { user: 'x' } },
      ),
    ],
  },
  {
    name: 'a token that is none is refused without a word why',
    comparedWith: '1.33.4',
    steps: [
      account,
      token(),
      step('GET', '/api', { code: 401, body: unauthorized }, { token: 'nobody' }),
      step('GET', '/api', { code: 401, body: unauthorized }, { token: '{token}x' }),
      step('GET', '/version', { code: 401 }, { token: '{token}x' }),
    ],
  },
  {
    name: 'a token is good for whom it is meant, and a review says so',
    comparedWith: '1.33.4',
    steps: [
      account,
      token({ audiences: ['vault', 'queue'] }),
      step('GET', '/api', { code: 401 }, { token: '{token}' }),
      step(
        'POST',
        reviews,
        {
          code: 201,
          body: { status: { authenticated: true, audiences: ['vault'], user: { username: bot } } },
        },
        { body: { spec: { token: '{token}', audiences: ['vault', 'other'] } } },
      ),
      step(
        'POST',
        reviews,
        { code: 201, body: { status: { authenticated: '<absent>', error: '<any>' } } },
        { body: { spec: { token: '{token}', audiences: ['other'] } } },
      ),
      step(
        'POST',
        reviews,
        { code: 201, body: { status: { authenticated: '<absent>' } } },
        { body: { spec: { token: '{token}' } } },
      ),
    ],
  },
  {
    name: 'a token bound to a Secret ends with it, also when another of that name is made',
    comparedWith: '1.33.4',
    steps: [
      account,
      step(
        'POST',
        secrets,
        { code: 201 },
        { body: { metadata: { name: 'ticket' } }, save: { uid: 'metadata.uid' } },
      ),
      token({ boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'ticket', uid: '{uid}' } }),
      step('GET', '/api', { code: 200 }, { token: '{token}' }),
      step('DELETE', `${secrets}/ticket`, { code: 200 }),
      step('POST', secrets, { code: 201 }, { body: { metadata: { name: 'ticket' } } }),
      step('GET', '/api', { code: 401, eventually: true }, { token: '{token}' }),
      step(
        'POST',
        `${accounts}/bot/token`,
        {
          code: 409,
          body: {
            message:
              '/^Operation cannot be fulfilled on Secret "ticket": the UID in the bound object reference .* does not match the UID in record/',
          },
        },
        {
          body: {
            spec: { boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'ticket', uid: '{uid}' } },
          },
        },
      ),
    ],
  },
  {
    name: 'a token ends with its account',
    comparedWith: '1.33.4',
    steps: [
      account,
      token(),
      step('GET', '/api', { code: 200 }, { token: '{token}' }),
      step('DELETE', `${accounts}/bot`, { code: 200 }),
      account,
      step('GET', '/api', { code: 401, eventually: true }, { token: '{token}' }),
    ],
  },
  {
    name: 'a request for a token is checked',
    comparedWith: '1.33.4',
    steps: [
      account,
      step(
        'POST',
        `${accounts}/bot/token`,
        {
          code: 422,
          body: {
            message:
              '/spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes/',
          },
        },
        { body: { spec: { expirationSeconds: 599 } } },
      ),
      step(
        'POST',
        `${accounts}/bot/token`,
        { code: 404, body: { message: 'secrets "missing" not found' } },
        { body: { spec: { boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'missing' } } } },
      ),
      step(
        'POST',
        `${accounts}/bot/token`,
        {
          code: 400,
          body: {
            reason: 'BadRequest',
            message: 'cannot bind token to object of type /v1, Kind=ConfigMap',
          },
        },
        { body: { spec: { boundObjectRef: { kind: 'ConfigMap', apiVersion: 'v1', name: 'x' } } } },
      ),
      step('POST', `${accounts}/missing/token`, { code: 404 }, { body: {} }),
      step('GET', `${accounts}/bot/token`, { code: 405 }),
    ],
  },
  {
    name: 'a Secret for a token is filled, and its token ends with it',
    comparedWith: '1.33.4',
    steps: [
      account,
      step(
        'POST',
        secrets,
        { code: 201 },
        {
          body: {
            metadata: { name: 'key', annotations: { 'kubernetes.io/service-account.name': 'bot' } },
            type: 'kubernetes.io/service-account-token',
          },
        },
      ),
      step('GET', `${secrets}/key`, {
        code: 200,
        body: { data: { token: '<any>', namespace: '<any>', 'ca.crt': '<any>' } },
        eventually: true,
      }),
      step('DELETE', `${accounts}/bot`, { code: 200 }),
      step('GET', `${secrets}/key`, { code: 404, eventually: true }),
    ],
  },
  {
    name: 'who checks tokens by himself finds the keys',
    comparedWith: '1.33.4',
    steps: [
      step('GET', '/.well-known/openid-configuration', {
        code: 200,
        body: {
          issuer: '/^https:/',
          jwks_uri: '<any>',
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['<any>'],
        },
        headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=3600' },
      }),
      step('GET', '/openid/v1/jwks', {
        code: 200,
        text: /"use":"sig"/,
        headers: { 'content-type': 'application/jwk-set+json' },
      }),
    ],
  },
];
