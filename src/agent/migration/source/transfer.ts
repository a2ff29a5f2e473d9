/** Sending a running guest: begun once, then followed, with limits that follow how it goes. */
import { parseBytes } from '../../../base/quantity.ts';
import type { SendOptions, TransferLimits, TransferPlace } from '../../../drivers/hypervisor/contract.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import { stepDowntime } from './converge.ts';
import type { SourceStage } from './decide.ts';
import type { SourceMemory, SourceView } from './facts.ts';
import { abandonHandOver, prepareHandOver } from './handoverAhead.ts';
import { news } from './news.ts';
import type { SourceStep } from './record.ts';

const DISKS_RECHECK_MS = 1_000;
const MEMORY_RECHECK_MS = 250;
const SWITCH_RECHECK_MS = 50;

export async function send(
  world: MoveWorld,
  { mover, handle, migration }: MovePass,
  _view: SourceView,
  memory: SourceMemory,
): Promise<SourceStep> {
  const place = placeOf(migration?.status?.target?.place);
  if (mover.live === undefined || place === undefined || migration === undefined)
    return { step: { afterMs: 1_000 } };
  const { spec, metadata, status } = migration;
  const certificates = world.peers.certificates;
  const options: SendOptions = {
    id: metadata.uid,
    ...limits(spec, memory),
    autoConverge: spec.autoConverge ?? true,
    channels: spec.channels ?? 1,
    compression: spec.compression ?? 'None',
    postCopy: spec.allowPostCopy ?? false,
    ...(certificates === undefined
      ? {}
      : { tls: { directory: certificates, peer: status?.targetHost ?? '' } }),
  };
  await mover.live.send(handle, place, options);
  return {
    step: { afterMs: MEMORY_RECHECK_MS },
    says: { stage: 'Copying', message: 'disks and memory are being sent' },
  };
}

type Spec = NonNullable<MovePass['migration']>['spec'];

function limits({ bandwidth, downtimeLimitMilliseconds = 300 }: Spec, memory: SourceMemory): TransferLimits {
  return {
    downtimeMs: memory.downtimeLimitMs ?? downtimeLimitMilliseconds,
    ...(bandwidth === undefined ? {} : { bytesPerSecond: parseBytes(bandwidth) }),
  };
}

type ReportedPlace = NonNullable<
  NonNullable<NonNullable<MovePass['migration']>['status']>['target']
>['place'];

export function placeOf(place: ReportedPlace): TransferPlace | undefined {
  if (place?.disks === undefined)
    return place === undefined ? undefined : { address: place.address, port: place.port };
  const exports = Object.fromEntries(place.disks.exports.map((disk) => [disk.name, disk.export]));
  return { address: place.address, port: place.port, disks: { port: place.disks.port, exports } };
}

export async function follow(
  world: MoveWorld,
  pass: MovePass,
  { transfer }: SourceView,
  memory: SourceMemory,
  stage: SourceStage,
): Promise<SourceStep> {
  const { mover, handle, migration } = pass;
  if (transfer.phase === 'Idle' || transfer.phase === 'Failed')
    return { step: { afterMs: MEMORY_RECHECK_MS } };
  const now = world.guests.world.clock.monotonic();
  // The guest stands still: nothing is written that can wait.
  if (transfer.phase === 'SwitchingOver') {
    await prepareHandOver(world, pass, memory);
    return { step: { afterMs: SWITCH_RECHECK_MS } };
  }
  await abandonHandOver(world, pass, memory);
  if (transfer.phase === 'Memory' && migration !== undefined) {
    const asked = migration.spec.downtimeLimitMilliseconds ?? 300;
    const current = memory.downtimeLimitMs ?? asked;
    const { limitMs, least } = stepDowntime(asked, current, memory.least, {
      remainingBytes: transfer.remainingBytes,
      now,
    });
    memory.least = least;
    if (limitMs !== current && migration.spec.allowPostCopy === true) {
      await mover.live?.beginPostCopy(handle);
    } else if (limitMs !== current) {
      memory.downtimeLimitMs = limitMs;
      await mover.live?.adjust(handle, limits(migration.spec, memory));
    }
  }
  const afterMs =
    transfer.phase === 'Disks'
      ? DISKS_RECHECK_MS
      : transfer.phase === 'Memory'
        ? MEMORY_RECHECK_MS
        : SWITCH_RECHECK_MS;
  const says = news(transfer, memory, now, stage, migration?.status?.phase);
  return { step: { afterMs }, ...(says === undefined ? {} : { says }) };
}
