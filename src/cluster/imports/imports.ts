/** Makes Backups again of archives that hosts have found in pools with importArchives: their objects were lost with the cluster's state. */
import { Backup, type BackupSpec } from '../../api/kinds/backup.ts';
import { Host, type HostStatus } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { done, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';

export type ImportSources = {
  hosts: Informer<Host>;
  /** Has the index `archive`. */
  backups: Informer<Backup>;
};

type Found = NonNullable<HostStatus['archives']>[number];

/** A namespace that is still to come tells nobody. */
const RECHECK_MS = 60_000;

/** The archives that a Backup stands for. */
export function archivesOf({ metadata, spec }: Backup & Stored<Backup>): string[] {
  return [spec.import?.archive ?? `backup-${metadata.uid}`];
}

export function importController({ hosts, backups }: ImportSources): Controller<Host> {
  return {
    name: 'archive-imports',
    kind: Host,
    informer: hosts,
    writes: [],
    access: [{ kind: Backup, verbs: ['create'] }],
    selects: ({ status }) => (status?.archives ?? []).length > 0,
    reconcile: (pass) => importAll(pass, backups),
  };
}

async function importAll(
  { object, client, signal }: Pass<Host>,
  backups: Informer<Backup>,
): Promise<PassResult<Host>> {
  let isMissing = false;
  let refused: { error: unknown } | undefined;
  for (const found of object.status?.archives ?? []) {
    if (backups.byIndex('archive', found.archive).length > 0) continue;
    await client
      .create(Backup, backupFor(found, object.metadata.name), { signal })
      .catch((error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
        // Its namespace is not there, or is about to go.
        if (error.code === 404 || error.code === 403) isMissing = true;
        // One that is refused, as by an admission policy, is not in the way of the others.
        else if (error.code !== 409) refused ??= { error };
      });
  }
  if (refused !== undefined) throw refused.error;
  return { outcome: isMissing ? waiting('NamespaceMissing', '', RECHECK_MS) : done };
}

/** One name for one archive: whoever makes it a second time is told that it exists. */
function backupFor({ archive, pool, guest, takenAt }: Found, host: string): Backup {
  const { kind, name, namespace } = guest;
  const spec: BackupSpec = { guest: { kind, name }, pool, import: { archive, host } };
  const day = takenAt.slice(0, 10).replaceAll('-', '');
  const uid = archive.replace('backup-', '').replaceAll('-', '').slice(-8);
  return {
    apiVersion: `${Backup.group}/${Backup.version}`,
    kind: 'Backup',
    metadata: { namespace, name: `${name.slice(0, 40)}-${day}-${uid}` },
    spec,
  };
}
