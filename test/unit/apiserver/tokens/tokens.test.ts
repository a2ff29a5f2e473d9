import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFakeClock, type FakeClock } from '../../../world/fakeClock.ts';
import { at, authentication, type Lab, startLab } from '../access/lab.ts';

let lab: Lab;
let clock: FakeClock;
beforeEach(async () => {
  clock = createFakeClock();
  lab = await startLab({ clock });
});
afterEach(() => lab.stop());

const accounts = '/api/v1/namespaces/team/serviceaccounts';
const secrets = '/api/v1/namespaces/team/secrets';
/** What any known user may read. */
const open = '/apis';

async function request(spec: object): Promise<ReturnType<Lab['admin']>> {
  return lab.admin('POST', `${accounts}/bot/token`, { spec });
}

function payloadOf(token: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString('utf8'));
}

describe('a token', () => {
  it('says whom it stands for, and is good until it ends', async () => {
    const { actor, token } = await lab.account('team', 'bot');
    expect(payloadOf(token)).toMatchObject({
      sub: 'system:serviceaccount:team:bot',
      'kubernetes.io': { namespace: 'team', serviceaccount: { name: 'bot' } },
    });
    await clock.advance(3_599_000);
    expect((await actor('GET', open)).code).toBe(200);
    await clock.advance(2_000);
    expect((await actor('GET', open)).code).toBe(401);
  });

  it('ends with its account, even when another of the same name is made', async () => {
    const { actor } = await lab.account('team', 'bot');
    expect((await actor('GET', open)).code).toBe(200);
    await lab.admin('DELETE', `${accounts}/bot`);
    expect((await actor('GET', open)).code).toBe(401);
    const again = await lab.account('team', 'bot');
    expect((await actor('GET', open)).code).toBe(401);
    expect((await again.actor('GET', open)).code).toBe(200);
  });

  it('bound to a Secret ends with that Secret', async () => {
    await lab.account('team', 'bot');
    await lab.admin('POST', secrets, { metadata: { name: 'ticket' } });
    const made = await request({ boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'ticket' } });
    const actor = lab.bearer(String(at(made, 'status.token')));
    expect((await actor('GET', open)).code).toBe(200);
    await lab.admin('DELETE', `${secrets}/ticket`);
    expect((await actor('GET', open)).code).toBe(401);
    await lab.admin('POST', secrets, { metadata: { name: 'ticket' } });
    expect((await actor('GET', open)).code).toBe(401);
  });

  it('that was changed, or signed by another, is nobody', async () => {
    const { token } = await lab.account('team', 'bot');
    const [head = '', , signature = ''] = token.split('.');
    const forged = { ...payloadOf(token), sub: 'system:serviceaccount:kube-system:default' };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    expect((await lab.bearer(`${head}.${encode(forged)}.${signature}`)('GET', open)).code).toBe(401);
    const none = `${encode({ alg: 'none' })}.${encode(payloadOf(token))}.`;
    expect((await lab.bearer(none)('GET', open)).code).toBe(401);
    expect((await lab.bearer('a.b.c')('GET', '/version')).code).toBe(401);
  });

  it('for another audience is no credential here, and a review can tell whose it is', async () => {
    await lab.account('team', 'bot');
    const token = String(at(await request({ audiences: ['vault'] }), 'status.token'));
    expect((await lab.bearer(token)('GET', open)).code).toBe(401);
    const review = (spec: object) => lab.admin('POST', `${authentication}/tokenreviews`, { spec });
    const good = await review({ token, audiences: ['vault', 'other'] });
    expect(at(good, 'status')).toMatchObject({
      authenticated: true,
      audiences: ['vault'],
      user: { username: 'system:serviceaccount:team:bot' },
    });
    expect(good.text).not.toContain(token);
    expect(at(await review({ token }), 'status.authenticated')).toBeUndefined();
  });
});

describe('a request for a token', () => {
  it('is refused for too short a time, a strange bond, and what does not exist', async () => {
    await lab.account('team', 'bot');
    expect((await request({ expirationSeconds: 599 })).code).toBe(422);
    expect((await request({ boundObjectRef: { kind: 'ConfigMap', apiVersion: 'v1', name: 'a' } })).code).toBe(
      400,
    );
    expect((await request({ boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'a' } })).code).toBe(
      404,
    );
    await lab.admin('POST', secrets, { metadata: { name: 'a' } });
    const other = { kind: 'Secret', apiVersion: 'v1', name: 'a', uid: 'another' };
    expect((await request({ boundObjectRef: other })).code).toBe(409);
    expect((await lab.admin('POST', `${accounts}/ghost/token`, {})).code).toBe(404);
  });
});

describe('a Secret for a token', () => {
  const secret = (name: string, account: string) => ({
    metadata: { name, annotations: { 'kubernetes.io/service-account.name': account } },
    type: 'kubernetes.io/service-account-token',
  });

  async function filled(name: string): Promise<string> {
    for (let tries = 0; tries < 1000; tries++) {
      const token = at(await lab.admin('GET', `${secrets}/${name}`), 'data.token');
      if (typeof token === 'string') return Buffer.from(token, 'base64').toString('utf8');
    }
    throw new Error('no token came');
  }

  it('is filled, and its token is good for years but not without the Secret', async () => {
    await lab.account('team', 'bot');
    await lab.admin('POST', secrets, secret('t', 'bot'));
    const actor = lab.bearer(await filled('t'));
    const { body } = await lab.admin('GET', `${secrets}/t`);
    expect(Object.keys((body as { data: object }).data).sort()).toEqual(['ca.crt', 'namespace', 'token']);
    clock.setWall(Date.UTC(2036, 0, 1));
    expect((await actor('GET', open)).code).toBe(200);
    await lab.admin('DELETE', `${secrets}/t`);
    expect((await actor('GET', open)).code).toBe(401);
  });

  it('goes with its account, and does not stay for one that is not there', async () => {
    await lab.account('team', 'bot');
    await lab.admin('POST', secrets, secret('t', 'bot'));
    await filled('t');
    await lab.admin('DELETE', `${accounts}/bot`);
    await lab.admin('POST', secrets, secret('u', 'ghost'));
    for (const name of ['t', 'u']) {
      let code = 200;
      for (let tries = 0; tries < 1000 && code !== 404; tries++) {
        code = (await lab.admin('GET', `${secrets}/${name}`)).code;
      }
      expect(code).toBe(404);
    }
  });
});

describe('each namespace', () => {
  it('has a default account and the certificate of the authority, which come back', async () => {
    await lab.account('team', 'bot');
    const root = '/api/v1/namespaces/team/configmaps/kube-root-ca.crt';
    const there = async (path: string) => {
      for (let tries = 0; tries < 1000; tries++) {
        const answer = await lab.admin('GET', path);
        if (answer.code === 200) return answer;
      }
      throw new Error(`${path} did not come`);
    };
    expect((await lab.admin('GET', '/api/v1/namespaces/default/serviceaccounts/default')).code).toBe(200);
    await there(`${accounts}/default`);
    expect(JSON.stringify((await there(root)).body)).toContain(
      JSON.stringify(lab.server.target.ca).slice(1, -1),
    );
    await lab.admin('DELETE', `${accounts}/default`);
    await there(`${accounts}/default`);
    await lab.admin('DELETE', root);
    await there(root);
  });
});
