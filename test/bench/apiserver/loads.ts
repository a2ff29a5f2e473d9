/** What is done to a server: writes from a number of clients and lists, each as a rate or as delays. */
import type { Target } from '../../contract/apiserver/client.ts';
import { type Connection, openConnection } from './client.ts';
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

/** The value that a share of all are not above. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
