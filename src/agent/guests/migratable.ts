/**
 * The condition Migratable: whether the guest could move now as it should, without stopping where its kind can do that, and every reason
 * why not, before anybody tries. What only one target lacks, its Migration says. Pure.
 */
import type { Finding } from './conditions.ts';
import type { GuestObject } from './kind.ts';
import type { Scope } from './scope.ts';

type Obstacle = { reason: string; message: string };

/** Said by the condition, and by a Migration that is refused for it. */
export const HAS_SNAPSHOTS = 'its snapshots lie on this host and would be lost: delete its Snapshots first';

const OFFLINE = 'a Migration of type Offline stops it, moves it and starts it there';

export function migratableFinding<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): Finding {
  const obstacles = [
    ...ofAny(scope),
    ...(scope.kind.plugs === 'Tap' ? ofRunningMachine(scope) : ofStorage(scope)),
  ];
  const [first] = obstacles;
  if (first === undefined) return { type: 'Migratable', status: 'True', reason: 'Migratable', message: '' };
  const message = obstacles.map((obstacle) => obstacle.message).join('; ');
  return { type: 'Migratable', status: 'False', reason: first.reason, message };
}

function ofAny<T extends GuestObject, Request, Hardware>({
  observation,
  record,
}: Scope<T, Request, Hardware>): Obstacle[] {
  const kept = record?.snapshots?.length ?? 0;
  return [
    ...(observation.state === 'Unmanageable'
      ? [{ reason: 'Unmanageable', message: observation.message }]
      : []),
    ...(kept > 0 ? [{ reason: 'HasSnapshots', message: HAS_SNAPSHOTS }] : []),
  ];
}

/** A machine that is off moves its disks, which needs none of this. */
function ofRunningMachine<T extends GuestObject, Request, Hardware>({
  kind,
  nicWishes,
  observation,
}: Scope<T, Request, Hardware>): Obstacle[] {
  if (observation.state === 'Off') return [];
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

function ofStorage<T extends GuestObject, Request, Hardware>({
  immovablePools,
}: Scope<T, Request, Hardware>): Obstacle[] {
  return immovablePools.map((name) => ({
    reason: 'PoolNotMovable',
    message: `volumes of the StoragePool ${name} are neither shared nor can they be copied to another host`,
  }));
}
