/** The key of a pool from its making to a root that is had back with a copy of it, on a real host; what fills the archive gives way meanwhile. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { must, run, until, vireo } from './harness/commands.ts';
import { type HostState, hostState } from './harness/host.ts';
import { type Lab, startLab } from './harness/lab.ts';
import { follow } from './harness/recipe.ts';

type Condition = { type: string; status: string; reason: string; message: string };
type Pool = { status?: { conditions?: Condition[] } };
type Backup = { status?: { phase?: string; message?: string; archive?: string; encryptedFor?: string } };

const guest = `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory, backupKey: main}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: box, namespace: default}
spec: {image: busybox, rootfs: {pool: local}, memory: 64Mi, shutdown: {timeoutSeconds: 10}}
`;

/** So slowly that what fills it is seen at it. */
const backup = `
apiVersion: vireo.dev/v1alpha1
kind: Backup
metadata: {name: sealed, namespace: default}
spec:
  guest: {kind: Container, name: box}
  pool: local
  encryption: Age
  ioPriority: Idle
  bandwidth: 2Mi
`;

let place: string;
let lab: Lab;
let before: HostState;

beforeAll(async () => {
  before = await hostState();
  place = await mkdtemp(join(tmpdir(), 'vireo-keys-'));
  lab = await startLab({ name: 'keys' });
  await lab.apply(guest);
});
afterAll(async () => {
  await lab?.dispose();
  await rm(place, { recursive: true });
  expect(await hostState()).toEqual(before);
});

const keySaid = (reason: string) =>
  until(`the pool says ${reason} of its key`, async () => {
    const { conditions = [] } = (await lab.get<Pool>('pool/local')).status ?? {};
    const said = conditions.find(({ type }) => type === 'BackupKeyExported');
    return said?.reason === reason && said;
  });

const exportKey = (file: string) =>
  run([
    ...[process.execPath, vireo, 'backup', 'key', 'export', 'local', file],
    ...['--kubeconfig', lab.kubeconfig],
  ]);

it('a key is missed, made, exported, and the copy opens what the pool encrypted', async () => {
  const [made, copy] = [join(place, 'made.key'), join(place, 'copy.key')];
  expect(await keySaid('KeyMissing')).toMatchObject({
    status: 'False',
    message: expect.stringContaining('vireo-system/backup-keys has no entry main'),
  });
  // Nobody is told to have a copy of what is not there.
  const tooEarly = await exportKey(copy);
  expect(tooEarly.code).not.toBe(0);
  expect(tooEarly.stderr).toContain('has no entry main');

  await must(['age-keygen', '-o', made]);
  const secret = ['create', 'secret', 'generic', 'backup-keys', `--from-file=main=${made}`];
  await lab.kubectl('-n', 'vireo-system', ...secret);
  const open = await keySaid('NotExported');
  expect(open).toMatchObject({ status: 'False', message: expect.stringContaining('export local FILE') });

  const exported = await exportKey(copy);
  expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('opens the archives of local') });
  expect(await keySaid('Exported')).toMatchObject({ status: 'True' });
  expect(await readFile(copy, 'utf8')).toBe(await readFile(made, 'utf8'));
  expect((await stat(copy)).mode & 0o777).toBe(0o600);
  // A copy that somebody has is not written over.
  expect((await exportKey(copy)).stderr).toContain('name another file');
  await rm(made);

  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'ct/box');
  const root = (await must(['find', lab.dataDirectory, '-type', 'd', '-path', '*/volumes/*/rootfs'])).trim();
  await must(['dd', 'if=/dev/urandom', `of=${root}/data`, 'bs=1M', 'count=8', 'status=none']);
  await lab.apply(backup);
  expect(await until('its tar runs', () => priorityOf('tar', lab.dataDirectory), 30_000, 10)).toBe('idle');
  const { archive, encryptedFor } = await until('it is made', async () => {
    const { status } = await lab.get<Backup>('backups.vireo.dev/sealed');
    if (status?.phase === 'Failed') throw new Error(status.message);
    return status?.phase === 'Succeeded' && status;
  });
  expect(encryptedFor).toBe((await must(['age-keygen', '-y', copy])).trim());

  const [plain, target] = [join(place, 'plain'), join(place, 'root')];
  await mkdir(plain);
  await mkdir(target);
  const found = (await must(['find', lab.dataDirectory, '-type', 'd', '-name', String(archive)])).trim();
  await follow('check', { ARCHIVE: found });
  // Neither the key nor any other Secret's data is in what everybody may copy.
  for (const file of await readdir(found)) {
    const bytes = await readFile(join(found, file));
    expect([file, bytes.includes('AGE-SECRET-KEY')]).toEqual([file, false]);
  }
  await follow('decrypt', { ARCHIVE: found, KEY: copy, PLAIN: plain });
  await follow('root', { ARCHIVE: plain, TARGET: target });
  await must(['cmp', `${root}/data`, `${target}/data`]);
});

/** By what priority for the disk a program runs that works below `directory`. */
async function priorityOf(program: string, directory: string): Promise<string | undefined> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (argv[0] !== program || !argv.some((word) => word.startsWith(directory))) continue;
    const { code, stdout } = await run(['ionice', '-p', pid]);
    if (code === 0) return stdout.trim();
  }
  return undefined;
}
