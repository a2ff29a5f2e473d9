/** Reads the store's file from its beginning: the base, the commits after it, and where the last whole frame ends. */
import type { FileHandle } from 'node:fs/promises';
import { ReasonedError } from '../base/outcome.ts';
import { decodeMessage, type Message, type StoredCommit } from './codec.ts';
import type { Entry } from './contract.ts';
import { findFrame, parseFrame } from './frames.ts';
import { createHistory, type History } from './history.ts';
import type { LoggedChange } from './journal.ts';

/** The layout this version writes and reads. */
export const fileFormat = 1;

/** Read at once. */
const pieceBytes = 8 * 1024 * 1024;
/** Left free before a piece, for the frame that began in the one before: most are shorter (file-messages.ts). */
const roomBefore = 1024 * 1024;

/**
 * `newest`: the newest entries by their keys, in a map that is the caller's. `goodBytes`: where the next frame goes; what lies beyond was never
 * acknowledged.
 */
export type LoadedFile = { history: History; newest: Map<string, Entry>; goodBytes: number };

/** Throws ReasonedError `StoreDamaged` (or `StoreFormatUnknown`) when the file is not what was written. */
export async function loadFile(handle: FileHandle, path: string): Promise<LoadedFile> {
  const replay = createReplay(path);
  const goodBytes = await readFrames(handle, path, (payload) => replay.message(decode(path, payload)));
  return { ...replay.finish(), goodBytes };
}

/** Calls `use` for each frame in order; returns the end of the last one. What was read stays as it is: values of it are kept without a copy. */
async function readFrames(
  handle: FileHandle,
  path: string,
  use: (payload: Uint8Array) => void,
): Promise<number> {
  let offset = 0;
  do offset = await readRun(handle, offset, use);
  while (
    // A process that has the store open has written on.
    await goesOn(handle, path, offset)
  );
  return offset;
}

/** Calls `use` for the frames from `offset` on, up to where there is no whole one; returns that place. */
async function readRun(
  handle: FileHandle,
  offset: number,
  use: (payload: Uint8Array) => void,
): Promise<number> {
  const { size } = await handle.stat();
  let position = offset;
  let ahead = readPiece(handle, position, { left: size - position, before: 0 });
  let rest: Buffer = Buffer.alloc(0);
  try {
    for (;;) {
      const piece = await ahead;
      if (piece.read.length === 0) return position - rest.length;
      position += piece.read.length;
      // The next one is read while this one is looked through.
      ahead = readPiece(handle, position, { left: size - position, before: roomBefore });
      const window = behind(rest, piece);
      let start = 0;
      let parsed = parseFrame(window, start);
      while (parsed.type === 'frame') {
        use(parsed.payload);
        start = parsed.end;
        parsed = parseFrame(window, start);
      }
      rest = window.subarray(start);
      if (parsed.type === 'broken') return position - rest.length;
    }
  } finally {
    await ahead.catch(() => undefined);
  }
}

/** `read`: what was read, which lies in `room` behind `before` bytes that are left free. */
type Piece = { room: Buffer; before: number; read: Buffer };

/** `left`: so many bytes are known to come. The last look is for what somebody has written meanwhile, and takes little memory. */
async function readPiece(
  handle: FileHandle,
  position: number,
  { left, before }: { left: number; before: number },
): Promise<Piece> {
  const free = left > 0 ? before : 0;
  const room = Buffer.allocUnsafeSlow(free + Math.min(pieceBytes, Math.max(left, 4096)));
  const { bytesRead } = await handle.read(room, free, room.length - free, position);
  return { room, before: free, read: room.subarray(free, free + bytesRead) };
}

/** The rest of the piece before and this one, in one: where the rest has room before this one, only that is copied. */
function behind(rest: Buffer, { room, before, read }: Piece): Buffer {
  const start = before - rest.length;
  if (start < 0) return rest.length === 0 ? read : Buffer.concat([rest, read]);
  room.set(rest, start);
  return room.subarray(start, before + read.length);
}

/**
 * What follows `offset` was no frame. A crash in the middle of the last write leaves only that. When a whole frame follows, one at `offset`
 * was acknowledged before it: it is there by now (true), or lost, and starting with a part of the truth could start guests twice.
 */
async function goesOn(handle: FileHandle, path: string, offset: number): Promise<boolean> {
  const { size } = await handle.stat();
  const next = findFrame(await readBytes(handle, offset, Math.max(0, size - offset)), 0);
  if (next === undefined) return false;
  const now = await readBytes(handle, offset, next);
  if (parseFrame(now, 0).type === 'frame') return true;
  throw damaged(path, `bytes ${offset} to ${offset + next} are not what was written`);
}

/** `length` bytes from `position` on, or what there is of them. */
async function readBytes(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function decode(path: string, payload: Uint8Array): Message {
  try {
    return decodeMessage(payload);
  } catch (error) {
    throw damaged(path, `a frame cannot be read (${String(error)})`);
  }
}

function damaged(path: string, detail: string): ReasonedError {
  return new ReasonedError(
    'StoreDamaged',
    `${path} is damaged: ${detail}. Keep a copy of the file, check the disk, and restore the store from a backup`,
    { stalled: true },
  );
}

function createReplay(path: string) {
  const base: Entry[] = [];
  let compactedRevision: number | undefined;
  let history: History | undefined;
  const state = new Map<string, Entry>();

  const addCommit = ({ revision, changes }: StoredCommit): void => {
    if (history === undefined || revision !== history.revision() + 1) {
      throw damaged(path, `revision ${revision} does not follow ${history?.revision() ?? 'the base'}`);
    }
    history.add({ revision, changes: changes.map((change) => replayChange(state, change, revision)) });
  };

  return {
    message: (message: Message): void => {
      switch (message.type) {
        case 'header':
          if (message.format !== fileFormat) throw unknownFormat(path, message.format);
          compactedRevision = message.compactedRevision;
          break;
        case 'base':
          base.push(...message.entries);
          break;
        case 'baseEnd':
          if (compactedRevision === undefined) throw damaged(path, 'it has no header');
          history = createHistory(base, compactedRevision);
          for (const entry of base) state.set(entry.key, entry);
          break;
        case 'commits':
          for (const commit of message.commits) addCommit(commit);
          break;
        case 'compacted':
          if (history === undefined || message.revision > history.revision()) {
            throw damaged(path, `it forgets revision ${message.revision}, which it does not have`);
          }
          history.trim(message.revision);
          break;
        default:
          message satisfies never;
      }
    },
    finish: (): { history: History; newest: Map<string, Entry> } => {
      if (history === undefined) throw damaged(path, 'its beginning is not whole');
      return { history, newest: state };
    },
  };
}

function replayChange(
  state: Map<string, Entry>,
  change: StoredCommit['changes'][number],
  revision: number,
): LoggedChange {
  const { key } = change;
  const before = state.get(key);
  if ('deleted' in change) {
    state.delete(key);
    const previous = before?.value ?? new Uint8Array();
    return { type: 'delete', key, revision, previous, ...(before && { before }) };
  }
  const { value } = change;
  const createRevision = before?.createRevision ?? revision;
  const after = { key, value, createRevision, modRevision: revision };
  state.set(key, after);
  const put = { type: 'put', key, revision, value, createRevision, after } as const;
  return before === undefined ? put : { ...put, previous: before.value, before };
}

function unknownFormat(path: string, format: number): ReasonedError {
  return new ReasonedError(
    'StoreFormatUnknown',
    `${path} has format ${format}, this version of Vireo reads ${fileFormat}: start the version that wrote it`,
    { stalled: true },
  );
}
