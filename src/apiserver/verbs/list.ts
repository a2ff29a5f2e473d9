/** Writes lists: in whatever form, a list that is not small goes out piece by piece as it is read, so that its size costs no memory. */
import { parseWide, printJson } from '../../schema/json.ts';
import type { Entry } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import type { Pace } from '../fairness/pace.ts';
import { bufferOf, decode, type Wire, wireParts } from '../registry/codec.ts';
import { failure } from '../status.ts';
import { type ListMeta, partialOf, rowOf } from '../table/table.ts';
import type { Exchange } from '../wire/exchange.ts';
import { type Form, tableOptions } from './answer.ts';
import { createGathering } from './gathering.ts';

/** The entries of a list in parts, and the metadata it ends with. */
export type Pages = AsyncGenerator<readonly Entry[], ListMeta>;

/** A list's fields before its members, the name of these, and how each of them is written as JSON. */
type Frame = {
  head: (metadata: ListMeta) => Record<string, unknown>;
  members: 'items' | 'rows';
  member: (entry: Entry) => Wire;
};

function frameOf(served: Served, form: Form): Frame {
  const metaVersion = `meta.k8s.io/${form.version}`;
  switch (form.shape) {
    case 'Object':
      return {
        head: (metadata) => ({ kind: served.resource.listKind, apiVersion: served.apiVersion, metadata }),
        members: 'items',
        member: (entry) => wireParts(served, entry),
      };
    case 'Table': {
      const options = tableOptions(served, form);
      const columnDefinitions = options.columns.map((column) => column.definition);
      return {
        head: (metadata) => ({ kind: 'Table', apiVersion: metaVersion, metadata, columnDefinitions }),
        members: 'rows',
        member: (entry) => bodyOf(printJson(rowOf(decode(served, entry), options))),
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
        member: (entry) => bodyOf(printJson(partialOf(decode(served, entry), form.version))),
      };
  }
}

function bodyOf(text: string): Wire {
  return { head: '', body: Buffer.from(text) };
}

/** How a list is spelt: what stands before, between and behind its members. */
type Spelling = {
  type: string;
  head: (metadata: ListMeta) => string;
  member: (entry: Entry) => Wire;
  between: string;
  end: (isEmpty: boolean) => string;
};

function jsonSpelling({ head, members, member }: Frame): Spelling {
  return {
    type: 'application/json',
    head: (metadata) => `${JSON.stringify(head(metadata)).slice(0, -1)},"${members}":[`,
    member,
    between: ',',
    end: () => ']}\n',
  };
}

async function yamlSpelling({ head, members, member }: Frame): Promise<Spelling> {
  const { printYaml } = await import('../wire/yaml.ts');
  const asItem = (yaml: string) => `\n  - ${yaml.trimEnd().replaceAll(/\n(?!\n|$)/g, '\n    ')}`;
  return {
    type: 'application/yaml',
    head: (metadata) => `${printYaml(head(metadata))}${members}:`,
    member: (entry) => {
      const { head, body } = member(entry);
      return bodyOf(asItem(printYaml(parseWide(head + bufferOf(body).toString('utf8')))));
    },
    between: '',
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
  const gathering = createGathering(exchange, spelling.type);
  let isFirst = true;
  try {
    await gathering.add('', Buffer.from(spelling.head(metadata)));
    for await (const entries of parts) {
      for (const entry of entries) {
        const turn = pace();
        if (turn !== undefined) await turn;
        const { head, body } = spelling.member(entry);
        const taken = gathering.add(isFirst ? head : spelling.between + head, body);
        if (taken !== undefined) await taken;
        isFirst = false;
      }
    }
    gathering.end(spelling.end(isFirst));
  } catch (error) {
    gathering.breakOff();
    throw error;
  }
}
