import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../../src/store/memory.ts';
import { at, authentication, authorization, binding, type Lab, rbac, role, startLab } from './lab.ts';

let lab: Lab;
beforeEach(async () => {
  lab = await startLab();
});
afterEach(() => lab.stop());

const maps = '/api/v1/namespaces/team/configmaps';
const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
const readMaps = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] }];

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('an account', () => {
  it('may do nothing but ask about itself until a role is bound to it', async () => {
    const { actor } = await lab.account('team', 'bot');
    const refused = await actor('GET', maps);
    expect(refused).toMatchObject({
      code: 403,
      body: {
        message:
          'configmaps is forbidden: User "system:serviceaccount:team:bot" cannot list resource "configmaps" in API group "" in the namespace "team"',
      },
    });
    const self = await actor('POST', `${authentication}/selfsubjectreviews`, {});
    expect(at(self, 'status.userInfo.username')).toBe('system:serviceaccount:team:bot');
    expect((await actor('GET', '/apis')).code).toBe(200);
  });

  it('has what a binding gives with the next request, in that namespace only, and loses it as fast', async () => {
    const { actor } = await lab.account('team', 'bot');
    const bindings = `${rbac}/namespaces/team/rolebindings`;
    await lab.admin('POST', bindings, binding('b', 'view', ['team', 'bot'], 'team'));
    expect((await actor('GET', maps)).code).toBe(200);
    expect((await actor('POST', maps, map)).code).toBe(403);
    expect((await actor('GET', '/api/v1/namespaces/default/configmaps')).code).toBe(403);
    expect((await actor('GET', '/api/v1/configmaps')).code).toBe(403);
    await lab.admin('DELETE', `${bindings}/b`);
    expect((await actor('GET', maps)).code).toBe(403);
  });

  it('is told which bound role does not exist', async () => {
    const { actor } = await lab.account('team', 'bot');
    await lab.admin('POST', `${rbac}/clusterrolebindings`, binding('b', 'ghost', ['team', 'bot']));
    expect(at(await actor('GET', maps), 'message')).toMatch(/RBAC: clusterrole.* "ghost" not found$/);
  });

  it('does not create by apply what it may only patch', async () => {
    const { actor } = await lab.account('team', 'bot');
    const patchMaps = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['patch'] }];
    await lab.admin('POST', `${rbac}/clusterroles`, role('patcher', patchMaps));
    await lab.admin('POST', `${rbac}/clusterrolebindings`, binding('b', 'patcher', ['team', 'bot']));
    const apply = () => actor('PATCH', `${maps}/a?fieldManager=x`, map, 'application/apply-patch+yaml');
    expect((await apply()).code).toBe(403);
    await lab.admin('POST', maps, map);
    expect((await apply()).code).toBe(200);
  });
});

describe('roles', () => {
  it('of the server are there from the first request on, view within edit within admin', async () => {
    for (const name of ['cluster-admin', 'admin', 'edit', 'view', 'system:discovery']) {
      expect((await lab.admin('GET', `${rbac}/clusterroles/${name}`)).code).toBe(200);
    }
    const admin = JSON.stringify(at(await lab.admin('GET', `${rbac}/clusterroles/admin`), 'rules'));
    expect(admin).toContain('"rolebindings"');
    expect(admin).toContain('"namespaces"');
  });

  it('gather the rules of labelled roles, and lose them with those', async () => {
    const { actor } = await lab.account('team', 'bot');
    await lab.admin(
      'POST',
      `${rbac}/namespaces/team/rolebindings`,
      binding('b', 'view', ['team', 'bot'], 'team'),
    );
    const leases = '/apis/coordination.k8s.io/v1/namespaces/team/leases';
    expect((await actor('GET', leases)).code).toBe(403);
    const labels = { labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } };
    const rules = [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['list'] }];
    await lab.admin('POST', `${rbac}/clusterroles`, role('more', rules, undefined, labels));
    await until(async () => (await actor('GET', leases)).code === 200);
    await lab.admin('DELETE', `${rbac}/clusterroles/more`);
    await until(async () => (await actor('GET', leases)).code === 403);
  });

  it('are mended at the next start, but not where somebody has said to leave them', async () => {
    await lab.stop();
    const store = createMemoryStore();
    lab = await startLab({ store });
    const path = `${rbac}/clusterroles`;
    const patch = (name: string, body: object) =>
      lab.admin('PATCH', `${path}/${name}`, body, 'application/merge-patch+json');
    await patch('system:discovery', { rules: [] });
    const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
    await patch('system:basic-user', { rules: [], metadata: { annotations } });
    await lab.stop();
    lab = await startLab({ store });
    expect(at(await lab.admin('GET', `${path}/system:discovery`), 'rules.0.verbs')).toEqual(['get']);
    expect(at(await lab.admin('GET', `${path}/system:basic-user`), 'rules')).toEqual([]);
  });
});

describe('nobody gives out more than he has', () => {
  const roles = `${rbac}/namespaces/team/roles`;
  const bindings = `${rbac}/namespaces/team/rolebindings`;

  async function teamAdmin() {
    const { actor } = await lab.account('team', 'chief');
    await lab.admin('POST', bindings, binding('chief', 'admin', ['team', 'chief'], 'team'));
    return actor;
  }

  it('in a role', async () => {
    const chief = await teamAdmin();
    expect((await chief('POST', roles, role('ok', readMaps, 'team'))).code).toBe(201);
    const greedy = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
    const refused = await chief('POST', roles, role('no', greedy, 'team'));
    expect(refused.code).toBe(403);
    expect(at(refused, 'message')).toMatch(/attempting to grant RBAC permissions not currently held/);
    expect((await chief('PUT', `${roles}/ok`, role('ok', greedy, 'team'))).code).toBe(403);
    expect(
      (await chief('PATCH', `${roles}/ok`, { rules: greedy }, 'application/merge-patch+json')).code,
    ).toBe(403);
  });

  it('in a binding', async () => {
    const chief = await teamAdmin();
    expect((await chief('POST', bindings, binding('v', 'view', ['team', 'x'], 'team'))).code).toBe(201);
    expect((await chief('POST', bindings, binding('c', 'cluster-admin', ['team', 'x'], 'team'))).code).toBe(
      403,
    );
    expect((await chief('POST', bindings, binding('g', 'ghost', ['team', 'x'], 'team'))).code).toBe(404);
  });

  it('unless he may bind that role', async () => {
    const chief = await teamAdmin();
    const mayBind = {
      apiGroups: ['rbac.authorization.k8s.io'],
      resources: ['clusterroles'],
      verbs: ['bind'],
    };
    await lab.admin(
      'POST',
      roles,
      role('binder', [{ ...mayBind, resourceNames: ['cluster-admin'] }], 'team'),
    );
    const own = {
      ...binding('binder', 'binder', ['team', 'chief'], 'team'),
      roleRef: { kind: 'Role', name: 'binder' },
    };
    await lab.admin('POST', bindings, own);
    expect((await chief('POST', bindings, binding('c', 'cluster-admin', ['team', 'x'], 'team'))).code).toBe(
      201,
    );
  });
});

describe('reviews', () => {
  it('say what a user may do, and why', async () => {
    await lab.account('team', 'bot');
    await lab.admin(
      'POST',
      `${rbac}/namespaces/team/rolebindings`,
      binding('b', 'view', ['team', 'bot'], 'team'),
    );
    const ask = (namespace: string) =>
      lab.admin('POST', `${authorization}/subjectaccessreviews`, {
        spec: {
          user: 'system:serviceaccount:team:bot',
          resourceAttributes: { verb: 'get', resource: 'configmaps', namespace },
        },
      });
    const yes = await ask('team');
    expect(yes.code).toBe(201);
    expect(at(yes, 'status.allowed')).toBe(true);
    expect(at(yes, 'status.reason')).toMatch(/RoleBinding "b\/team" of ClusterRole "view"/);
    expect(at(await ask('default'), 'status.allowed')).toBe(false);
  });

  it('list what their sender may do', async () => {
    const { actor } = await lab.account('team', 'bot');
    const list = await actor('POST', `${authorization}/selfsubjectrulesreviews`, {
      spec: { namespace: 'team' },
    });
    expect(JSON.stringify(at(list, 'status.resourceRules'))).toContain('selfsubjectreviews');
    expect(at(list, 'status.incomplete')).toBe(false);
  });

  it('that ask nothing, or two things, are refused', async () => {
    const path = `${authorization}/selfsubjectaccessreviews`;
    expect((await lab.admin('POST', path, { spec: {} })).code).toBe(422);
    const local = `${authorization}/namespaces/team/localsubjectaccessreviews`;
    const spec = { user: 'a', resourceAttributes: { namespace: 'other', verb: 'get', resource: 'secrets' } };
    expect((await lab.admin('POST', local, { spec })).code).toBe(400);
    expect((await lab.admin('GET', path)).code).toBe(405);
  });
});

describe('impersonation', () => {
  it('is for those who may, and answers with the rights of the other', async () => {
    const { token } = await lab.account('team', 'bot');
    const asMaster = lab.bearer(token, { 'impersonate-user': 'x', 'impersonate-group': 'system:masters' });
    expect((await asMaster('GET', '/api/v1/secrets')).code).toBe(403);
    const rules = [
      { apiGroups: [''], resources: ['users'], resourceNames: ['jane'], verbs: ['impersonate'] },
    ];
    await lab.admin('POST', `${rbac}/clusterroles`, role('as-jane', rules));
    await lab.admin('POST', `${rbac}/clusterrolebindings`, binding('as-jane', 'as-jane', ['team', 'bot']));
    const asJane = lab.bearer(token, { 'impersonate-user': 'jane' });
    expect(
      at(await asJane('POST', `${authentication}/selfsubjectreviews`, {}), 'status.userInfo'),
    ).toMatchObject({
      username: 'jane',
      groups: ['system:authenticated'],
    });
    expect((await asMaster('GET', '/api/v1/secrets')).code).toBe(403);
    expect((await lab.bearer(token, { 'impersonate-group': 'g' })('GET', '/api')).code).toBe(400);
    expect((await lab.bearer(token, { 'impersonate-extra-a': 'g' })('GET', '/api')).code).toBe(400);
  });

  it('takes a right for each extra field, and shows it afterwards', async () => {
    const { token } = await lab.account('team', 'bot');
    const headers = { 'impersonate-user': 'jane', 'Impersonate-Extra-Example.com%2fScope': 'read, write' };
    const asJane = lab.bearer(token, headers);
    const users = { apiGroups: [''], resources: ['users'], verbs: ['impersonate'] };
    const scope = {
      apiGroups: ['authentication.k8s.io'],
      resources: ['userextras/example.com/scope'],
      resourceNames: ['read, write'],
      verbs: ['impersonate'],
    };
    await lab.admin('POST', `${rbac}/clusterroles`, role('as-jane', [users]));
    await lab.admin('POST', `${rbac}/clusterrolebindings`, binding('as-jane', 'as-jane', ['team', 'bot']));
    const ask = () => asJane('POST', `${authentication}/selfsubjectreviews`, {});
    const refused = await ask();
    expect(refused.code).toBe(403);
    expect(at(refused, 'message')).toContain('cannot impersonate resource "userextras/example.com/scope"');
    await lab.admin('POST', `${rbac}/clusterroles`, role('as-scope', [scope]));
    await lab.admin('POST', `${rbac}/clusterrolebindings`, binding('as-scope', 'as-scope', ['team', 'bot']));
    expect(at(await ask(), 'status.userInfo.extra')).toEqual({ 'example.com/scope': ['read, write'] });
  });

  it('of who is to be unknown does not make them known', async () => {
    const admin = lab.as({ 'impersonate-user': 'jane', 'impersonate-group': 'system:unauthenticated' });
    const who = await admin('GET', '/apis');
    expect(who.code).toBe(403);
  });
});
