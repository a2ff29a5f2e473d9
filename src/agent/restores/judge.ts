/** Whether a Backup can be restored into a guest, and which disks of it. Pure. */
import type { BackupPhase } from '../../api/kinds/backup.ts';
import { type Holder, holderAway } from '../archives/bring.ts';
import { never, notYet, type Objection } from '../jobs/begin.ts';

export type ArchiveFacts = {
  /** Of the Restore. */
  spec: { guest: { kind: string; name: string }; backup: string; disks?: readonly string[] };
  /** This host. */
  host: string;
  /** Undefined: there is no such Backup in the namespace. */
  backup:
    | { phase: BackupPhase | undefined; host: string | undefined; pool: string; isOfGuest: boolean }
    | undefined;
  pool: 'Open' | 'NotReady' | 'Elsewhere' | 'NotAllowed';
  /** Names of the volumes in the archive, as it says itself; undefined: it does not lie here. */
  parts: readonly string[] | undefined;
  /** The other host that has it, and what it holds, as its Backup says; undefined: there is none. */
  other: { holder: Holder; parts: readonly string[] } | undefined;
  /** The volumes that the guest has. `snapshots`: some lie inside its data and would go with it. */
  volumes: readonly { name: string; snapshots: boolean }[];
};

/** The disks that are to be restored, or why that cannot be. */
export function judgeArchive(facts: ArchiveFacts): { disks: readonly string[] } | Objection {
  return judgeBackup(facts) ?? judgePool(facts) ?? judgeDisks(facts);
}

function judgeBackup({ spec, backup }: ArchiveFacts): Objection | undefined {
  const { backup: name, guest } = spec;
  if (backup === undefined) return notYet('BackupNotFound', `there is no Backup ${name} in this namespace`);
  if (!backup.isOfGuest)
    return never(
      'BackupOfOther',
      `the Backup ${name} is not one of ${guest.kind} ${guest.name}: make another guest from it by source.backup`,
    );
  const { phase } = backup;
  if (phase === 'Succeeded') return undefined;
  if (phase === undefined || phase === 'Pending' || phase === 'Running')
    return notYet('BackupNotReady', `the Backup ${name} is not made yet`);
  return never('BackupNotReady', `the Backup ${name} is ${phase}: there is nothing to restore`);
}

function judgePool({ spec, backup, pool, parts, other, host }: ArchiveFacts): Objection | undefined {
  const [name = '', where] = [backup?.pool, backup?.host];
  // What lies here is not brought from anywhere.
  if (other !== undefined && parts === undefined && pool !== 'NotAllowed') {
    if (other.holder === 'There') return undefined;
    const { reason, message } = holderAway(other.holder, { host: where, pool: name });
    return notYet(reason, message);
  }
  switch (pool) {
    case 'NotReady':
      return notYet(
        'StoragePoolNotReady',
        `the StoragePool ${name} cannot be used on this host at the moment`,
      );
    case 'Elsewhere':
      return never(
        'StoragePoolElsewhere',
        `the host ${host} does not have the StoragePool ${name} of the archive: move the guest to ${where}`,
      );
    case 'NotAllowed':
      return never(
        'NamespaceNotAllowed',
        `the StoragePool ${name} is not for this namespace: add it to allowedNamespaces`,
      );
    case 'Open':
      if (parts !== undefined) return undefined;
      return never(
        'ArchiveMissing',
        `the StoragePool ${name} holds no archive of the Backup ${spec.backup} any more`,
      );
  }
}

function judgeDisks({
  spec,
  volumes,
  other,
  ...archive
}: ArchiveFacts): { disks: readonly string[] } | Objection {
  const parts = archive.parts ?? other?.parts ?? [];
  const names = volumes.map(({ name }) => name);
  const asked = spec.disks?.length === 0 ? undefined : spec.disks;
  const disks = asked ?? parts;
  const strange = disks.find((name) => !parts.includes(name) || !names.includes(name));
  const missing = asked === undefined ? names.find((name) => !parts.includes(name)) : undefined;
  if (strange !== undefined || missing !== undefined) {
    const message = `the archive holds ${parts.join(', ')}, the guest has ${names.join(', ') || 'nothing yet'}: name in disks those that both have`;
    return never('DisksDiffer', message);
  }
  const kept = volumes.find(({ name, snapshots }) => snapshots && disks.includes(name));
  if (kept === undefined) return { disks };
  return never(
    'SnapshotsInTheWay',
    `snapshots of ${kept.name} lie inside the disk and would be lost: delete the Snapshots first, or make another guest by source.backup`,
  );
}
