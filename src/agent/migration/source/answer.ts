/** Answers the target of a move that this host has begun: the guest's state, and its volumes. */
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../../base/outcome.ts';
import { handleOf } from '../../guests/gather.ts';
import { writeLine } from '../../peers/peers.ts';
import type { GuestRecord } from '../../record.ts';
import type { Answer, Question } from '../question.ts';
import { type GuestState, type MovedVolume, runToCarry } from '../state.ts';
import type { MoveWorld } from '../world.ts';

/** Throws ReasonedError. */
export async function answerTarget(
  world: MoveWorld,
  peer: string,
  question: Question,
  stream: Duplex,
  signal: AbortSignal,
): Promise<void> {
  const record = recordFor(world, peer, question);
  if (question.want.type === 'State') {
    writeLine(stream, { ok: true, state: await describeGuest(world, record) } satisfies Answer);
    stream.end();
  } else await sendVolume(world, record, question.want, stream, signal);
}

/** Only the target of a move under way may ask, and only for its guest as it is here now. */
function recordFor({ guests }: MoveWorld, peer: string, { migration, epoch }: Question): GuestRecord {
  const record = guests.records.all().find(({ outgoing }) => outgoing?.migration.uid === migration.uid);
  const { to, givenUp, handOver, epoch: current } = record?.outgoing ?? {};
  const isOver = givenUp !== undefined || handOver !== undefined || (epoch ?? current) !== current;
  if (record === undefined || to !== peer || isOver) {
    throw new ReasonedError('NotMoving', 'the source knows of no such move to this host');
  }
  return record;
}

async function describeGuest(world: MoveWorld, record: GuestRecord): Promise<GuestState> {
  const { guests } = world;
  const { live } = world.mover(record.kind);
  const handle = handleOf(guests.stateDirectory, record);
  const isLive = record.outgoing?.type === 'Live';
  const what = isLive ? await live?.running(handle) : undefined;
  const names = what?.files ?? [];
  const files = await Promise.all(
    names.map(async (path) => {
      const bytes = await world.files.readBytes(join(handle.directory, path));
      return { path, data: Buffer.from(bytes ?? []).toString('base64') };
    }),
  );
  return {
    version: 1,
    hardware: what?.hardware ?? record.hardware,
    ...(what === undefined ? {} : { running: what.running }),
    run: runToCarry(record.run, record.outgoing?.held?.wasOn === true),
    volumes: await Promise.all(record.volumes.map((volume) => describeVolume(world, volume))),
    nics: record.nics,
    files,
  };
}

async function describeVolume(
  world: MoveWorld,
  volume: GuestRecord['volumes'][number],
): Promise<MovedVolume> {
  const facts = await openPool(world, volume.pool).observe(volume.id);
  if (facts === undefined)
    throw new ReasonedError('VolumeMissing', `the volume ${volume.name} is not on the source`);
  const format = facts.format === 'directory' ? 'raw' : facts.format;
  return { ...volume, kind: facts.kind, format, sizeBytes: facts.sizeBytes };
}

function openPool({ guests }: MoveWorld, name: string) {
  const pool = guests.pools.get(name);
  if (pool?.type === 'Open') return pool.driver;
  throw new ReasonedError('StoragePoolNotReady', `the StoragePool ${name} is not open on the source`);
}

/** The last pass only of a guest that is off for the move: what is written after it would be lost. */
async function sendVolume(
  world: MoveWorld,
  record: GuestRecord,
  { name, pass, bytesPerSecond }: Extract<Question['want'], { type: 'Volume' }>,
  stream: Duplex,
  signal: AbortSignal,
): Promise<void> {
  const volume = record.volumes.find((known) => known.name === name);
  if (volume === undefined) throw new ReasonedError('VolumeMissing', `the guest has no volume ${name}`);
  const { state } = await world.mover(record.kind).observe(handleOf(world.guests.stateDirectory, record));
  if (pass === 'Final' && (record.outgoing?.held === undefined || state !== 'Off')) {
    throw new ReasonedError('GuestNotOff', 'the guest is not off on the source');
  }
  const driver = openPool(world, volume.pool);
  const { exportVolume } = driver;
  if (exportVolume === undefined) {
    throw new ReasonedError(
      'PoolCannotMove',
      `volumes of the StoragePool ${volume.pool} cannot be copied to another host`,
    );
  }
  writeLine(stream, { ok: true });
  const limit = bytesPerSecond === undefined ? {} : { bytesPerSecond };
  await world.guests.workFor(record.id, () => exportVolume(volume.id, stream, { pass, signal, ...limit }));
  stream.end();
}
