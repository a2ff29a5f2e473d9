/** What is done to a server: writes from a number of clients, lists, and a steady mixture, each as a rate or as delays. */
import type { Target } from '../../contract/apiserver/client.ts';
import { type Connection, openConnection, Refusal } from './client.ts';
import { collectionOf, everywhere, hostOf, machine, namespaceOf, pathOf, report } from './machines.ts';

/** Makes the request of one number. */
export type Act = (connection: Connection, index: number) => Promise<unknown>;

export const create: Act = (connection, index) =>
  connection.must('POST', collectionOf(namespaceOf(index)), machine(index));

/** The time of the last report, in seconds: no two are the same, since one that says what stands there already would not be written. */
let reported = Math.round(performance.timeOrigin / 1000);

export const patchStatus: Act = (connection, index) => {
  reported += 1;
  return connection.must(
    'PATCH',
    `${pathOf(index)}/status`,
    report(index, reported),
    'application/merge-patch+json',
  );
};

/** An update without a resourceVersion has to read it first, as every controller does, so that is part of it. */
export const update: Act = async (connection, index) => {
  const { bytes } = await connection.must('GET', pathOf(index));
  const object = JSON.parse(bytes.toString('utf8')) as { metadata: { labels: Record<string, string> } };
  object.metadata.labels.generation = String(performance.now());
  await connection.must('PUT', pathOf(index), JSON.stringify(object));
};

/** Does `act` for all numbers from `first` on, `clients` at a time; returns how many a second. */
export async function rate(
  target: Target,
  act: Act,
  { clients, first = 0, count }: { clients: number; first?: number; count: number },
): Promise<number> {
  const connections = await Promise.all(Array.from({ length: clients }, () => openConnection(target)));
  let next = first;
  const work = async (connection: Connection) => {
    while (next < first + count) {
      const index = next;
      next += 1;
      await act(connection, index);
    }
  };
  const started = performance.now();
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
  return count / ((performance.now() - started) / 1000);
}

/** Lists a few times; returns the milliseconds of each and the size of the last. */
export async function listTimes(
  target: Target,
  query: string,
  rounds: number,
): Promise<{ times: number[]; items: number }> {
  const connection = await openConnection(target);
  const times: number[] = [];
  let items = 0;
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    const { bytes } = await connection.must('GET', query);
    times.push(performance.now() - started);
    items = bytes.toString('latin1').split('"kind":"VirtualMachine",').length - 1;
  }
  connection.close();
  return { times, items };
}

/** The lists that are measured, by what they are. */
export const lists = {
  all: everywhere,
  'the first 500': `${everywhere}?limit=500`,
  'one namespace of ten': collectionOf('bench-3'),
  'one host of a hundred': `${everywhere}?fieldSelector=status.placement.host%3D${hostOf(17)}`,
} as const;

const read: Act = (connection, index) => connection.must('GET', pathOf(index));
const listFirst: Act = (connection) => connection.must('GET', lists['the first 500']);
const listHost: Act = (connection) => connection.must('GET', lists['one host of a hundred']);

/** One in ten is such a thing, of a hundred a second. */
const mixture: readonly Act[] = [
  ...[patchStatus, update, patchStatus, read, update],
  ...[listFirst, patchStatus, listHost, patchStatus, read],
];

/** A connection that notes how long each write takes, in ms, refused or not. */
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

/** What came of a mixed load: the delays of its writes in ms, and what failed how often (`PATCH 504`). */
export type Mixed = { delays: number[]; failures: ReadonlyMap<string, number> };

/** A hundred acts a second for so long over ten connections, begun by the clock and not by the answers. An act that fails ends none but itself. */
export async function mixed(target: Target, seconds: number, objects: number): Promise<Mixed> {
  const connections = await Promise.all(Array.from({ length: 10 }, () => openConnection(target)));
  const delays: number[] = [];
  const failures = new Map<string, number>();
  const fail = (error: unknown) => {
    const what = error instanceof Refusal ? error.request : String(error);
    failures.set(what, (failures.get(what) ?? 0) + 1);
  };
  const pending: Promise<unknown>[] = [];
  const started = performance.now();
  for (let index = 0; index < seconds * 100; index += 1) {
    const due = started + index * 10;
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    const connection = connections[index % connections.length];
    const act = mixture[Math.floor(index / 3) % mixture.length];
    if (connection === undefined || act === undefined) continue;
    pending.push(act(noting(delays, connection), (index * 37) % objects).catch(fail));
  }
  await Promise.all(pending);
  for (const connection of connections) connection.close();
  return { delays, failures };
}

/** The value that a share of all are not above. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
