import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createClient } from '../../../contract/apiserver/client.ts';
import { createFakeClock, type FakeClock } from '../../../world/fakeClock.ts';
import { at, authentication, binding, type Lab, rbac, role, startLab } from './lab.ts';
import { csr, requestFor } from './requests.ts';

let lab: Lab;
let clock: FakeClock;
beforeEach(async () => {
  // Certificates are checked against the real time when a connection is made.
  clock = createFakeClock(Date.now());
  lab = await startLab({ clock });
});
afterEach(() => lab.stop());

const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const group = 'certificates.k8s.io';

async function decide(name: string, type: 'Approved' | 'Denied', actor = lab.admin) {
  const read = await lab.admin('GET', `${requests}/${name}`);
  const conditions = [{ type, status: 'True', reason: 'Test', message: 'decided by a test' }];
  return actor('PUT', `${requests}/${name}/approval`, { ...(read.body as object), status: { conditions } });
}

async function statusOf(name: string): Promise<Record<string, unknown>> {
  return at(await lab.admin('GET', `${requests}/${name}`), 'status') as Record<string, unknown>;
}

async function issued(name: string): Promise<string> {
  const certificate = await vi.waitFor(async () => {
    const found = (await statusOf(name)).certificate;
    expect(found).toBeTypeOf('string');
    return String(found);
  });
  return Buffer.from(certificate, 'base64').toString('utf8');
}

async function allow(name: string, account: [string, string], rules: object[]): Promise<void> {
  await lab.admin('POST', `${rbac}/clusterroles`, role(name, rules));
  await lab.admin('POST', `${rbac}/clusterrolebindings`, binding(name, name, account));
}

describe('a request for a client certificate', () => {
  it('is signed once it is approved, and the certificate lets its owner in', async () => {
    const { key, pem } = await requestFor('CN=jane, O=dev, O=ops');
    expect((await lab.admin('POST', requests, csr('jane', pem, { expirationSeconds: 3600 }))).code).toBe(201);
    expect(await statusOf('jane')).toEqual({});
    expect((await decide('jane', 'Approved')).code).toBe(200);
    const cert = await issued('jane');
    const client = createClient({ url: lab.server.target.url, ca: lab.server.target.ca, cert, key });
    const who = await client.send('POST', `${authentication}/selfsubjectreviews`, { body: {} });
    client.close();
    expect(at(who, 'status.userInfo')).toEqual({
      username: 'jane',
      groups: ['dev', 'ops', 'system:authenticated'],
    });
    const read = new X509Certificate(cert);
    expect(read.ca).toBe(false);
    expect(Date.parse(read.validTo) - clock.now()).toBeLessThanOrEqual(3_600_000);
    expect(Date.parse(read.validTo) - clock.now()).toBeGreaterThan(3_500_000);
  });

  it('bears the name of who sent it, whatever was claimed', async () => {
    const { actor } = await lab.account('team', 'bot');
    await allow(
      'asks',
      ['team', 'bot'],
      [{ verbs: ['create'], apiGroups: [group], resources: ['certificatesigningrequests'] }],
    );
    const { pem } = await requestFor('CN=jane');
    const made = await actor(
      'POST',
      requests,
      csr('jane', pem, { username: 'admin', groups: ['system:masters'] }),
    );
    expect(at(made, 'spec')).toMatchObject({
      username: 'system:serviceaccount:team:bot',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:team', 'system:authenticated'],
    });
    const changed = await lab.admin(
      'PATCH',
      `${requests}/jane`,
      { spec: { username: 'admin' }, status: { certificate: 'eA==' } },
      'application/merge-patch+json',
    );
    expect(at(changed, 'spec.username')).toBe('system:serviceaccount:team:bot');
    expect(at(changed, 'status')).toEqual({});
  });

  it('for system:masters is refused', async () => {
    const { pem } = await requestFor('CN=jane, O=system:masters');
    const made = await lab.admin('POST', requests, csr('jane', pem));
    expect(made.code).toBe(403);
    expect(at(made, 'message')).toContain('signer with system:masters group is not allowed');
  });

  it('fails in sight when it asks for what this signer does not sign', async () => {
    const { pem } = await requestFor('CN=jane');
    await lab.admin('POST', requests, csr('jane', pem, { usages: ['client auth', 'server auth'] }));
    await decide('jane', 'Approved');
    await vi.waitFor(async () => {
      expect((await statusOf('jane')).conditions).toMatchObject([
        { type: 'Approved' },
        {
          type: 'Failed',
          reason: 'SignerValidationFailure',
          message: 'invalid usage for client certificate: server auth',
        },
      ]);
    });
    expect(await statusOf('jane')).not.toHaveProperty('certificate');
  });

  it('is not signed when it is denied, and a decision stays', async () => {
    const { pem } = await requestFor('CN=jane');
    await lab.admin('POST', requests, csr('jane', pem));
    await decide('jane', 'Denied');
    const again = await decide('jane', 'Approved');
    expect(again.code).toBe(422);
    expect(at(again, 'message')).toContain('updates may not remove a condition of type "Denied"');
    expect(await statusOf('jane')).not.toHaveProperty('certificate');
  });

  it('is checked when it is made', async () => {
    const { pem } = await requestFor('CN=jane');
    const messageOf = async (spec: object) => {
      const made = await lab.admin('POST', requests, csr('jane', pem, spec));
      expect(made.code).toBe(422);
      return String(at(made, 'message'));
    };
    expect(await messageOf({ request: 'YQ==' })).toContain('PEM block type must be CERTIFICATE REQUEST');
    expect(await messageOf({ request: Buffer.from(forged(pem)).toString('base64') })).toContain(
      'spec.request',
    );
    const broken = await lab.admin('POST', requests, csr('jane', pem, { request: 'no base64!' }));
    expect(broken.code).toBe(400);
    expect(await messageOf({ usages: [] })).toContain('spec.usages: Required value');
    expect(await messageOf({ usages: ['walk'] })).toContain('spec.usages[0]: Unsupported value: "walk"');
    expect(await messageOf({ usages: ['any', 'any'] })).toContain('spec.usages[1]: Duplicate value: "any"');
    expect(await messageOf({ signerName: 'me' })).toContain("of the form 'example.com/signer-name'");
    expect(await messageOf({ signerName: 'local/x' })).toContain('at least two segments separated by dots');
    expect(await messageOf({ expirationSeconds: 599 })).toContain('less than 600 seconds');
  });
});

/** The same request with one bit of its signature turned. */
function forged(pem: string): string {
  const [head = '', body = '', end = ''] = pem.split(/(?<=-----BEGIN [A-Z ]+-----\n)|(?=-----END)/);
  const bytes = Buffer.from(body, 'base64');
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  return `${head}${bytes.toString('base64')}\n${end}`;
}

describe('deciding and signing', () => {
  const resource = (subresource: string, verbs: string[]) => ({
    verbs,
    apiGroups: [group],
    resources: [`certificatesigningrequests/${subresource}`],
  });
  const signers = (verb: string, name: string) => ({
    verbs: [verb],
    apiGroups: [group],
    resources: ['signers'],
    resourceNames: [name],
  });

  it('takes the verb approve on the signer, or on all of its domain', async () => {
    const { actor } = await lab.account('team', 'bot');
    const { pem } = await requestFor('CN=jane');
    await lab.admin('POST', requests, csr('jane', pem, { signerName: 'example.com/agents' }));
    await allow('writes', ['team', 'bot'], [resource('approval', ['update'])]);
    const refused = await decide('jane', 'Approved', actor);
    expect(refused.code).toBe(403);
    expect(at(refused, 'message')).toContain(
      'user not permitted to approve requests with signerName "example.com/agents"',
    );
    await allow('approves', ['team', 'bot'], [signers('approve', 'example.com/*')]);
    expect((await decide('jane', 'Approved', actor)).code).toBe(200);
  });

  it('of other signers is left to them: who may sign puts the certificate in, once', async () => {
    const { actor } = await lab.account('team', 'bot');
    const { pem } = await requestFor('CN=jane');
    await lab.admin('POST', requests, csr('jane', pem, { signerName: 'example.com/agents' }));
    await decide('jane', 'Approved');
    await allow('writes', ['team', 'bot'], [resource('status', ['patch'])]);
    const certificate = Buffer.from(lab.server.target.cert ?? '').toString('base64');
    const put = (value: string) =>
      actor(
        'PATCH',
        `${requests}/jane/status`,
        { status: { certificate: value } },
        'application/merge-patch+json',
      );
    expect(at(await put(certificate), 'message')).toContain('user not permitted to sign requests');
    await allow('signs', ['team', 'bot'], [signers('sign', 'example.com/agents')]);
    expect(at(await put(Buffer.from('no PEM').toString('base64')), 'message')).toContain(
      'must contain at least one CERTIFICATE PEM block',
    );
    expect((await put(certificate)).code).toBe(200);
    expect(await statusOf('jane')).toMatchObject({ certificate, conditions: [{ type: 'Approved' }] });
    const other = Buffer.from(lab.server.target.ca).toString('base64');
    expect(at(await put(other), 'message')).toContain('updates may not modify existing certificate content');
  });
});

describe('old requests', () => {
  it('go: undecided ones after a day, decided ones after an hour, approved ones only when they are signed', async () => {
    const hour = 3_600_000;
    const { pem } = await requestFor('CN=jane');
    for (const name of ['undecided', 'denied', 'signed', 'unsigned']) {
      const spec = name === 'unsigned' ? { signerName: 'example.com/agents' } : {};
      await lab.admin('POST', requests, csr(name, pem, spec));
    }
    await decide('denied', 'Denied');
    await decide('signed', 'Approved');
    await decide('unsigned', 'Approved');
    await issued('signed');
    const left = async () =>
      (at(await lab.admin('GET', requests), 'items') as { metadata: { name: string } }[]).map(
        ({ metadata }) => metadata.name,
      );
    await clock.advance(0.9 * hour);
    expect(await left()).toEqual(['denied', 'signed', 'undecided', 'unsigned']);
    await clock.advance(0.5 * hour);
    expect(await left()).toEqual(['undecided', 'unsigned']);
    await clock.advance(23 * hour);
    expect(await left()).toEqual(['unsigned']);
  });
});
