/**
 * A steady mixture of a hundred acts a second, begun by the clock and not by the answers. Reads and lists come from a process of their own,
 * as from another client: what it costs here to take a megabyte is no delay of a write.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Target } from '../../contract/apiserver/client.ts';
import { type Connection, openConnection, Refusal } from './client.ts';
import { type Act, lists, patchStatus, update } from './loads.ts';
import { pathOf } from './machines.ts';

const read: Act = (connection, index) => connection.must('GET', pathOf(index));
const listFirst: Act = (connection) => connection.must('GET', lists['the first 500']);
const listHost: Act = (connection) => connection.must('GET', lists['one host of a hundred']);

/** One in ten is such a thing. */
const mixture: readonly Act[] = [
  ...[patchStatus, update, patchStatus, read, update],
  ...[listFirst, patchStatus, listHost, patchStatus, read],
];
const reads: ReadonlySet<Act> = new Set([read, listFirst, listHost]);
const connectionsOfPart = 10;
/** So long each part is played before, so that code is compiled when the clock begins. */
export const warmUpSeconds = 1;

/** How much is done to how many objects. */
export type Load = { target: Target; seconds: number; objects: number };

/** What came of it: the delays of writes in ms, refused or not, and what failed how often (`PATCH 504`). */
export type Mixed = { delays: number[]; failures: ReadonlyMap<string, number> };

/** Does one part of the mixture; `begin` is asked once all is ready, and waited for. An act that fails ends none but itself. */
export async function play(
  { target, seconds, objects }: Load,
  part: 'reads' | 'writes',
  begin: () => Promise<unknown>,
): Promise<Mixed> {
  const connections = await Promise.all(
    Array.from({ length: connectionsOfPart }, () => openConnection(target)),
  );
  const delays: number[] = [];
  const failures = new Map<string, number>();
  const fail = (error: unknown) => {
    const what = error instanceof Refusal ? error.request : String(error);
    failures.set(what, (failures.get(what) ?? 0) + 1);
  };
  const pending: Promise<unknown>[] = [];
  await begin();
  const started = performance.now();
  for (let index = 0; index < seconds * 100; index += 1) {
    const act = mixture[Math.floor(index / 3) % mixture.length];
    if (act === undefined || reads.has(act) !== (part === 'reads')) continue;
    const due = started + index * 10;
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    const connection = connections[index % connections.length];
    if (connection === undefined) continue;
    pending.push(act(noting(delays, connection), (index * 37) % objects).catch(fail));
  }
  await Promise.all(pending);
  for (const connection of connections) connection.close();
  return { delays, failures };
}

/** The whole mixture for so long, over twenty connections. */
export async function mixed(target: Target, seconds: number, objects: number): Promise<Mixed> {
  const load: Load = { target, seconds, objects };
  await play({ ...load, seconds: warmUpSeconds }, 'writes', async () => {});
  const reader = fork(fileURLToPath(new URL('./reader.ts', import.meta.url)));
  const ready = messageOf(reader);
  reader.send(load);
  await ready;
  const read = messageOf(reader);
  const { delays, failures } = await play(load, 'writes', async () => reader.send('begin'));
  return { delays, failures: new Map([...failures, ...((await read) as [string, number][])]) };
}

/** The next that it says; rejects when it ends before. */
function messageOf(reader: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    reader.once('message', resolve);
    reader.once('exit', (code) => reject(new Error(`the process that reads has ended with ${code}`)));
  });
}

/** A connection that notes how long each write takes. */
function noting(delays: number[], connection: Connection): Connection {
  return {
    ...connection,
    must: async (method, ...rest) => {
      const begun = performance.now();
      try {
        return await connection.must(method, ...rest);
      } finally {
        if (method !== 'GET') delays.push(performance.now() - begun);
      }
    },
  };
}
