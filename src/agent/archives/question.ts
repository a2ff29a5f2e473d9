/** What a host asks another for that has the archive of a Backup: what one volume of a guest that is placed with the asker is made of. */

type Name = { namespace: string; name: string; uid: string };

export type ArchiveQuestion = {
  version: 1;
  archive: {
    backup: Name;
    /** Of the archive. */
    volume: string;
    /** Whose volume is to be made of it. */
    guest: Name & { kind: 'VirtualMachine' | 'Container' };
    /** That the guest has at the asker: for another stay nothing is sent. */
    epoch: number;
    /** Uid and name of the Restore that it is for; absent: the guest is made from it. */
    restore?: { name: string; uid: string };
    bytesPerSecond?: number;
  };
};
