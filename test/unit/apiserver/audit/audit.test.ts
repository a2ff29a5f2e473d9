import { appendFile, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Audited } from '../../../../src/apiserver/audit/event.ts';
import { type Append, createAuditLog } from '../../../../src/apiserver/audit/log.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'audit-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const request = (changes: Partial<Audited> = {}): Audited => ({
  id: 'id-1',
  method: 'POST',
  uri: '/api/v1/namespaces/team/configmaps?fieldManager=x',
  verb: 'create',
  target: { type: 'resource', path: '', group: '', version: 'v1', resource: 'configmaps', namespace: 'team' },
  user: { name: 'jane', groups: ['system:authenticated'] },
  impersonated: undefined,
  decision: { allowed: true, reason: 'RBAC: allowed' },
  address: '127.0.0.1',
  userAgent: 'kubectl',
  code: 201,
  annotations: new Map(),
  receivedMs: 0,
  answeredMs: 5,
  ...changes,
});

function openLog(options: { maxBytes?: number; keep?: number; append?: Append } = {}) {
  const { files, clock } = realWorld();
  const world = { files, clock, log: silentLog };
  return createAuditLog({ world, append: appendFile, path: join(directory, 'audit.log'), ...options });
}

async function lines(name = 'audit.log'): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(directory, name), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const on = (resource: string, group = '') => ({
  target: { type: 'resource', path: '', group, version: 'v1', resource } as const,
});

describe('the audit log', () => {
  it('says what admission noted, and then logs also what it leaves out otherwise', async () => {
    const log = openLog();
    const annotations = new Map([['sizes.g.dev/size', 'x'.repeat(20_000)]]);
    log.record(request({ verb: 'update', ...on('leases', 'coordination.k8s.io'), annotations }));
    log.record(request({ verb: 'update', ...on('leases', 'coordination.k8s.io') }));
    await log.close();
    const [line, ...more] = await lines();
    expect(more).toEqual([]);
    expect(line?.annotations).toEqual({
      'sizes.g.dev/size': 'x'.repeat(10_240),
      'authorization.k8s.io/decision': 'allow',
      'authorization.k8s.io/reason': 'RBAC: allowed',
    });
  });

  it('says who did what from where, how it ended and why it was allowed', async () => {
    const log = openLog();
    log.record(request());
    await log.close();
    expect(await lines()).toMatchObject([
      {
        kind: 'Event',
        apiVersion: 'audit.k8s.io/v1',
        auditID: 'id-1',
        verb: 'create',
        user: { username: 'jane' },
        sourceIPs: ['127.0.0.1'],
        objectRef: { resource: 'configmaps', namespace: 'team' },
        responseStatus: { code: 201 },
        annotations: { 'authorization.k8s.io/decision': 'allow' },
      },
    ]);
  });

  it('takes changes, refusals, and reads of Secrets; not the pulse of leases and events', async () => {
    const log = openLog();
    const wanted = [
      request({ id: 'change' }),
      request({ id: 'secret', verb: 'get', ...on('secrets') }),
      request({ id: 'refused', verb: 'get', code: 403 }),
      request({
        id: 'stranger',
        verb: 'get',
        code: 401,
        user: undefined,
        target: { type: 'path', path: '/api' },
      }),
    ];
    const noise = [
      request({ verb: 'list' }),
      request({ verb: 'get', code: 404 }),
      request({ verb: 'update', ...on('leases', 'coordination.k8s.io') }),
      request({ ...on('events') }),
      request({ ...on('selfsubjectaccessreviews', 'authorization.k8s.io') }),
      request({ verb: 'get', target: { type: 'path', path: '/healthz' } }),
    ];
    for (const one of [...wanted, ...noise]) log.record(one);
    await log.close();
    expect((await lines()).map(({ auditID }) => auditID)).toEqual([
      'change',
      'secret',
      'refused',
      'stranger',
    ]);
  });

  it('never takes more than its share: the oldest goes', async () => {
    const log = openLog({ maxBytes: 2000, keep: 2 });
    for (let count = 0; count < 40; count++) {
      log.record(request({ id: `id-${count}` }));
      await log.close();
    }
    expect((await readdir(directory)).sort()).toEqual(['audit.log', 'audit.log.1', 'audit.log.2']);
    for (const name of await readdir(directory)) {
      expect((await stat(join(directory, name))).size).toBeLessThanOrEqual(2000);
    }
    expect((await lines()).at(-1)).toMatchObject({ auditID: 'id-39' });
  });

  it('goes on behind the last line after a restart', async () => {
    for (const id of ['one', 'two']) {
      const log = openLog();
      log.record(request({ id }));
      await log.close();
    }
    expect((await lines()).map(({ auditID }) => auditID)).toEqual(['one', 'two']);
  });

  it('says how many lines the disk has refused', async () => {
    let full = true;
    const append: Append = (path, text) =>
      full ? Promise.reject(new Error('ENOSPC')) : appendFile(path, text);
    const log = openLog({ append });
    log.record(request());
    await log.close();
    full = false;
    log.record(request({ id: 'later' }));
    await log.close();
    expect(await lines()).toMatchObject([{ auditID: 'later' }, { kind: 'Gap', dropped: 1 }]);
  });

  it('cuts what a client would fill it with', async () => {
    const log = openLog();
    log.record(request({ uri: `/${'x'.repeat(100_000)}`, userAgent: 'y'.repeat(100_000) }));
    await log.close();
    expect((await stat(join(directory, 'audit.log'))).size).toBeLessThan(6000);
  });
});
