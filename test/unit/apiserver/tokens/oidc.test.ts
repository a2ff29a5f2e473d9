import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { authenticateOidc, type OidcOptions } from '../../../../src/apiserver/tokens/oidc.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { createFakeClock, type FakeClock } from '../../../world/fakeClock.ts';

const issuer = 'https://id.example';
type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let first: Keys;
let second: Keys;
beforeAll(async () => {
  [first, second] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')]);
});

/** An issuer whose keys can change, and a server that believes it. */
function world(options: Partial<OidcOptions> = {}) {
  const clock: FakeClock = createFakeClock();
  const state = {
    keys: [{ kid: '1', pair: first }],
    reads: 0,
    discovery: { issuer, jwks_uri: `${issuer}/keys` } as object,
  };
  const authenticate = authenticateOidc({
    world: { clock, log: silentLog },
    issuer,
    clientId: 'cli',
    serverAudience: 'server',
    fetchJson: async (url) => {
      state.reads++;
      if (url.endsWith('openid-configuration')) return state.discovery;
      const keys = state.keys.map(async ({ kid, pair }) => ({
        ...(await exportJWK(pair.publicKey)),
        kid,
        alg: 'ES256',
      }));
      return { keys: await Promise.all(keys) };
    },
    ...options,
  });
  const token = (claims: object, { pair = first, kid = '1' } = {}) =>
    new SignJWT({ iss: issuer, aud: 'cli', sub: 'jane', exp: clock.now() / 1000 + 60, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(pair.privateKey);
  return { clock, state, token, ask: async (text: string) => authenticate(text, ['server']) };
}

describe('a token of the issuer', () => {
  it('is a user under a prefix, so that no issuer can name users of others', async () => {
    const { ask, token } = world();
    expect(await ask(await token({}))).toMatchObject({
      user: { name: `${issuer}#jane`, groups: ['system:authenticated'] },
    });
  });

  it('brings the groups of a claim, but never those of the system', async () => {
    const { ask, token } = world({ usernameClaim: 'email', groupsClaim: 'groups' });
    const claims = { email: 'jane@example.org', groups: ['ops', 'system:masters'] };
    expect(await ask(await token(claims))).toMatchObject({
      user: { name: 'jane@example.org', groups: ['ops', 'system:authenticated'] },
    });
    expect(await ask(await token({ ...claims, email_verified: false }))).toBe('rejected');
    expect(await ask(await token({ email: 'system:admin' }))).toBe('rejected');
  });

  it.each([
    ['has ended', { exp: 1 }],
    ['never ends', { exp: undefined }],
    ['is for another client', { aud: 'other' }],
    ['names nobody', { sub: undefined }],
  ])('is refused when it %s', async (_why, claims) => {
    const { ask, token } = world();
    expect(await ask(await token(claims))).toBe('rejected');
  });

  it('is refused when another key has signed it', async () => {
    const { ask, token } = world();
    expect(await ask(await token({}, { pair: second }))).toBe('rejected');
  });

  it('of another issuer is left to others', async () => {
    const { ask, token, state } = world();
    expect(await ask(await token({ iss: 'https://else.example' }))).toBeUndefined();
    expect(state.reads).toBe(0);
  });
});

describe('the keys of the issuer', () => {
  it('are read once, and again when a token names a new one, but not at the will of a stranger', async () => {
    const { ask, token, state, clock } = world();
    await ask(await token({}));
    await ask(await token({}));
    expect(state.reads).toBe(2);
    state.keys = [{ kid: '2', pair: second }];
    await clock.advance(20_000);
    expect(await ask(await token({}, { pair: second, kid: '2' }))).toMatchObject({ user: {} });
    expect(state.reads).toBe(4);
    for (let count = 0; count < 10; count++) await ask(await token({}, { kid: `x${count}` }));
    expect(state.reads).toBe(4);
  });

  it('are not believed when the document is that of another issuer', async () => {
    const { ask, token, state } = world();
    state.discovery = { issuer: 'https://else.example', jwks_uri: `${issuer}/keys` };
    expect(await ask(await token({}))).toBe('rejected');
  });
});
