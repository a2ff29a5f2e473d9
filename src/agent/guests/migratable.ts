/**
 * The condition Migratable: whether the guest could move now as it should, without stopping where its kind can do that, and every reason
 * why not, before anybody tries. What only one target lacks, its Migration says. Pure.
 */
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { NicWish } from '../../drivers/network/contract.ts';
import type { Finding } from './conditions.ts';

type Obstacle = { reason: string; message: string };

/** What counts of a guest, of either kind. */
export type Movable = {
  kind: { plugs: 'Tap' | 'Veth'; transfer?: unknown };
  observation:
    | { state: Exclude<GuestObservation['state'], 'Unmanageable'> }
    | { state: 'Unmanageable'; message: string };
  nicWishes: readonly Pick<NicWish, 'name' | 'to'>[];
  immovablePools: readonly string[];
  /** Names of snapshots that would be lost. */
  stayingSnapshots: readonly string[];
};

/** Said by the condition, and by a Migration that is refused for it. */
export function hasSnapshots(names: readonly string[]): Obstacle {
  const some = `${names.slice(0, 8).join(', ')}${names.length > 8 ? ' and others' : ''}`;
  const message = `snapshots of it lie on this host, with memory or in a pool of this host alone, and would be lost: delete the Snapshots ${some} first`;
  return { reason: 'HasSnapshots', message };
}

const OFFLINE = 'a Migration of type Offline stops it, moves it and starts it there';

export function migratableFinding(guest: Movable): Finding {
  // A machine that runs takes its disks with it; all others have their volumes copied.
  const movesLive = guest.kind.plugs === 'Tap' && guest.observation.state !== 'Off';
  const obstacles = [...ofAny(guest), ...(movesLive ? ofRunningMachine(guest) : ofStorage(guest))];
  const [first] = obstacles;
  if (first === undefined) return { type: 'Migratable', status: 'True', reason: 'Migratable', message: '' };
  const message = obstacles.map((obstacle) => obstacle.message).join('; ');
  return { type: 'Migratable', status: 'False', reason: first.reason, message };
}

function ofAny({ observation, stayingSnapshots }: Movable): Obstacle[] {
  return [
    ...(observation.state === 'Unmanageable'
      ? [{ reason: 'Unmanageable', message: observation.message }]
      : []),
    ...(stayingSnapshots.length > 0 ? [hasSnapshots(stayingSnapshots)] : []),
  ];
}

function ofRunningMachine({ kind, nicWishes }: Movable): Obstacle[] {
  const nics = nicWishes.flatMap(({ name, to }): Obstacle[] => {
    if (to.type === 'Bridge') return [];
    return to.type === 'Nat'
      ? [
          {
            reason: 'NatNetwork',
            message: `${name} is on the NAT network of its host, which ends there: use a bridge; ${OFFLINE}`,
          },
        ]
      : [
          {
            reason: 'UserNetwork',
            message: `${name} is a user-mode network, which ends with its process: use a bridge; ${OFFLINE}`,
          },
        ];
  });
  const driver: Obstacle[] =
    kind.transfer === undefined
      ? [{ reason: 'NotSupported', message: `this host cannot send running machines; ${OFFLINE}` }]
      : [];
  return [...nics, ...driver];
}

function ofStorage({ immovablePools }: Movable): Obstacle[] {
  return immovablePools.map((name) => ({
    reason: 'PoolNotMovable',
    message: `volumes of the StoragePool ${name} are neither shared nor can they be copied to another host`,
  }));
}
