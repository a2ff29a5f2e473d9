/** Writes lists: in whatever form, a list that is not small goes out piece by piece as it is read, so that its size costs no memory. */
import { parseWide, printJson } from '../../schema/json.ts';
import type { Entry } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import type { Pace } from '../fairness/pace.ts';
import { decode, wirePieces } from '../registry/codec.ts';
import { badRequest, failure } from '../status.ts';
import { type ListMeta, partialOf, rowOf } from '../table/table.ts';
import type { Exchange, Sink } from '../wire/exchange.ts';
import { type Form, tableOptions } from './answer.ts';

/** The entries of a list in parts, and the metadata it ends with. */
export type Pages = AsyncGenerator<readonly Entry[], ListMeta>;

/** What is gathered before it is sent; an answer below it is sent whole. */
const chunkBytes = 64 * 1024;

/** A list's fields before its members, the name of these, and how each of them is written as JSON, in pieces. */
type Frame = {
  head: (metadata: ListMeta) => Record<string, unknown>;
  members: 'items' | 'rows';
  member: (entry: Entry) => Uint8Array[];
};

function frameOf(served: Served, form: Form): Frame {
  const metaVersion = `meta.k8s.io/${form.version}`;
  switch (form.shape) {
    case 'Object':
      return {
        head: (metadata) => ({ kind: served.resource.listKind, apiVersion: served.apiVersion, metadata }),
        members: 'items',
        member: (entry) => wirePieces(served, entry),
      };
    case 'Table': {
      const options = tableOptions(served, form);
      const columnDefinitions = options.columns.map((column) => column.definition);
      return {
        head: (metadata) => ({ kind: 'Table', apiVersion: metaVersion, metadata, columnDefinitions }),
        members: 'rows',
        member: (entry) => [Buffer.from(printJson(rowOf(decode(served, entry), options)))],
      };
    }
    case 'PartialObjectMetadata':
      throw failure(
        406,
        'NotAcceptable',
        'you requested PartialObjectMetadata, but the requested object is a list',
        {},
      );
    default:
      return {
        head: (metadata) => ({ kind: 'PartialObjectMetadataList', apiVersion: metaVersion, metadata }),
        members: 'items',
        member: (entry) => [Buffer.from(printJson(partialOf(decode(served, entry), form.version)))],
      };
  }
}

/** How a list is spelt: what stands before, between and behind its members. */
type Spelling = {
  type: string;
  head: (metadata: ListMeta) => string;
  member: (entry: Entry, isFirst: boolean) => Uint8Array[];
  end: (isEmpty: boolean) => string;
};

const comma = Buffer.from(',');

function jsonSpelling({ head, members, member }: Frame): Spelling {
  return {
    type: 'application/json',
    head: (metadata) => `${JSON.stringify(head(metadata)).slice(0, -1)},"${members}":[`,
    member: (entry, isFirst) => (isFirst ? member(entry) : [comma, ...member(entry)]),
    end: () => ']}\n',
  };
}

async function yamlSpelling({ head, members, member }: Frame): Promise<Spelling> {
  const { printYaml } = await import('../wire/yaml.ts');
  const asItem = (yaml: string) => `\n  - ${yaml.trimEnd().replaceAll(/\n(?!\n|$)/g, '\n    ')}`;
  return {
    type: 'application/yaml',
    head: (metadata) => `${printYaml(head(metadata))}${members}:`,
    member: (entry) => [
      Buffer.from(asItem(printYaml(parseWide(Buffer.concat(member(entry)).toString('utf8'))))),
    ],
    end: (isEmpty) => (isEmpty ? ' []\n' : '\n'),
  };
}

/** Answers with a list. A page is read to its end first, because its metadata says how it ended and stands at its beginning. */
export async function sendList(
  exchange: Exchange,
  served: Served,
  pages: Pages,
  plan: { revision: number; limited: boolean },
  form: Form,
  pace: Pace,
): Promise<void> {
  const frame = frameOf(served, form);
  const spelling = form.encoding === 'json' ? jsonSpelling(frame) : await yamlSpelling(frame);
  if (!plan.limited) {
    return write(exchange, spelling, { resourceVersion: String(plan.revision) }, pages, pace);
  }
  const entries: Entry[] = [];
  for (;;) {
    const next = await pages.next();
    if (next.done) return write(exchange, spelling, next.value, [entries], pace);
    for (const entry of next.value) entries.push(entry);
  }
}

async function write(
  exchange: Exchange,
  spelling: Spelling,
  metadata: ListMeta,
  parts: AsyncIterable<readonly Entry[]> | Iterable<readonly Entry[]>,
  pace: Pace,
): Promise<void> {
  let waiting: Uint8Array[] = [Buffer.from(spelling.head(metadata))];
  let waitingBytes = 0;
  let isFirst = true;
  let sink: Sink | undefined;
  try {
    for await (const entries of parts) {
      for (const entry of entries) {
        await pace();
        for (const bytes of spelling.member(entry, isFirst)) {
          waiting.push(bytes);
          waitingBytes += bytes.byteLength;
        }
        isFirst = false;
        if (waitingBytes < chunkBytes) continue;
        sink ??= exchange.open(200, spelling.type, { long: true });
        await send(sink, Buffer.concat(waiting));
        waiting = [];
        waitingBytes = 0;
      }
    }
    waiting.push(Buffer.from(spelling.end(isFirst)));
    const rest = Buffer.concat(waiting);
    if (sink === undefined) return exchange.send(200, spelling.type, rest);
    sink.write(rest);
    sink.end();
  } catch (error) {
    // The head is out already: only a broken answer can tell the client that this is not the whole list.
    sink?.destroy();
    throw error;
  }
}

/** Waits until the client has taken what was written. */
async function send(sink: Sink, bytes: Uint8Array): Promise<void> {
  if (!sink.write(bytes)) await new Promise<void>((resolve) => sink.drained(resolve));
  if (sink.closed) throw badRequest('the client has gone');
}
