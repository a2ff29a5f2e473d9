/** How late watchers hear of changes: a thousand of them, a hundred changes a second. */
import type { Target } from '../../contract/apiserver/client.ts';
import { type Connection, openConnection } from './client.ts';
import { everywhere, hostOf, hosts, pathOf } from './machines.ts';

const watchers = 1_000;
const perConnection = 100;
const mark = /"example\.dev\/sent":"(\d+)"/g;

/** Delays from the sending of a change to its coming in at a watcher, ms, and how many never came. */
export type Delays = { delays: number[]; missing: number };

/**
 * Follows changes by a thousand watchers: of one host each, so that one in a hundred hears of a change, or of everything, so that all do.
 */
export async function followChanges(
  target: Target,
  options: { of: 'one host' | 'everything'; changesPerSecond: number; seconds: number; objects: number },
): Promise<Delays> {
  // A change that says what stands there already is none: no two of one bench are the same.
  const first = Math.round(performance.now());
  const sent: number[] = [];
  const delays: number[] = [];
  const heard = (number: number) => delays.push(performance.now() - (sent[number - first] ?? Number.NaN));
  const writer = await openConnection(target);
  const connections = [writer];
  const revision = await newestRevision(writer);
  for (let at = 0; at < watchers; at += perConnection) {
    const connection = await openConnection(target);
    connections.push(connection);
    const paths = Array.from({ length: perConnection }, (_, index) =>
      pathFor(options.of, at + index, revision),
    );
    for (const stream of await Promise.all(paths.map(connection.open))) listen(stream, heard);
  }
  const count = options.changesPerSecond * options.seconds;
  const started = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let index = 0; index < count; index += 1) {
    const due = started + (index * 1000) / options.changesPerSecond;
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    const body = JSON.stringify({ metadata: { annotations: { 'example.dev/sent': String(first + index) } } });
    sent[index] = performance.now();
    const path = pathOf((index * 7) % options.objects);
    writes.push(writer.must('PATCH', path, body, 'application/merge-patch+json'));
  }
  await Promise.all(writes);
  const expected = count * (options.of === 'everything' ? watchers : watchers / hosts);
  const deadline = performance.now() + 30_000;
  while (delays.length < expected && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const connection of connections) connection.close();
  return { delays, missing: expected - delays.length };
}

/** Where the changes of one host, or all, are followed from a revision on. */
function pathFor(of: 'one host' | 'everything', index: number, resourceVersion: string): string {
  const selector = of === 'everything' ? '' : `&fieldSelector=status.placement.host%3D${hostOf(index)}`;
  return `${everywhere}?watch=true&resourceVersion=${resourceVersion}${selector}`;
}

async function newestRevision(connection: Connection): Promise<string> {
  const { bytes } = await connection.must('GET', `${everywhere}?limit=1`);
  const list = JSON.parse(bytes.toString('utf8')) as { metadata: { resourceVersion: string } };
  return list.metadata.resourceVersion;
}

function listen(stream: NodeJS.ReadableStream, heard: (number: number) => void): void {
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const text = rest + chunk.toString('latin1');
    const end = text.lastIndexOf('\n') + 1;
    rest = text.slice(end);
    for (const [, number] of text.slice(0, end).matchAll(mark)) heard(Number(number));
  });
}
