import { createLocalJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Lab, startLab } from '../access/lab.ts';

let lab: Lab;
beforeEach(async () => {
  lab = await startLab();
});
afterEach(() => lab.stop());

it('lets others check the tokens of this server by what it publishes', async () => {
  const { actor, token } = await lab.account('team', 'bot');
  const described = await actor('GET', '/.well-known/openid-configuration');
  const { issuer, jwks_uri: uri } = described.body as { issuer: string; jwks_uri: string };
  expect(uri).toBe(`${lab.server.target.url}/openid/v1/jwks`);
  const keys = await actor('GET', new URL(uri).pathname);
  expect(keys.headers['content-type']).toBe('application/jwk-set+json');
  expect(keys.text).not.toContain('"d"');
  const set = createLocalJWKSet(keys.body as Parameters<typeof createLocalJWKSet>[0]);
  const { payload } = await jwtVerify(token, set, { issuer, audience: issuer });
  expect(payload.sub).toBe('system:serviceaccount:team:bot');
});

it('shows them to service accounts, not to everybody', async () => {
  for (const path of ['/.well-known/openid-configuration', '/openid/v1/jwks']) {
    expect((await lab.as({ 'impersonate-user': 'jane' })('GET', path)).code).toBe(403);
    const asAccount = lab.as({ 'impersonate-user': 'system:serviceaccount:team:bot' });
    expect((await asAccount('GET', path)).code).toBe(200);
  }
});
