/** Writes objects, lists and Statuses in the form the client asked for: as they are, as a Table, as metadata only; JSON or YAML. */
import { parseWide, printJson } from '../../schema/json.ts';
import type { Entry } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import { decode, wireForm } from '../registry/codec.ts';
import { badRequest, failure, notAcceptable, type Status } from '../status.ts';
import {
  type IncludeObject,
  type ListMeta,
  partialOf,
  rowOf,
  type TableOptions,
  tableOf,
} from '../table/table.ts';
import { type Negotiated, supportedTypes } from '../wire/accept.ts';
import type { Exchange, Sink } from '../wire/exchange.ts';

/** The form of one answer. */
export type Form = Negotiated & { include: IncludeObject; nowMs: number };

/** The form from what was negotiated and the query; throws 400 for an unknown includeObject. */
export function formOf(negotiated: Negotiated, query: URLSearchParams, nowMs: number): Form {
  const include = query.get('includeObject') || 'Metadata';
  if (include !== 'None' && include !== 'Metadata' && include !== 'Object') {
    throw badRequest(
      `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`,
    );
  }
  return { ...negotiated, include, nowMs };
}

/** How tables are made of a resource in this form. */
export function tableOptions(served: Served, form: Form): TableOptions {
  return { columns: served.columns(), include: form.include, version: form.version, nowMs: form.nowMs };
}

/** An object to be answered. */
export type Answerable = { object: KubeObject; wire: () => Uint8Array };

/** Answers with one object. */
export async function sendObject(
  exchange: Exchange,
  code: number,
  served: Served,
  { object, wire }: Answerable,
  form: Form,
): Promise<void> {
  switch (form.shape) {
    case 'Object':
      return sendJson(exchange, code, wire(), form);
    case 'PartialObjectMetadata':
      return sendJson(exchange, code, printJson(partialOf(object, form.version)), form);
    case 'Table': {
      const { resourceVersion } = object.metadata;
      const metadata = resourceVersion === undefined ? {} : { resourceVersion };
      const table = tableOf([object], metadata, { ...tableOptions(served, form), withDefinitions: true });
      return sendJson(exchange, code, printJson(table), form);
    }
    default:
      throw notAcceptable(supportedTypes);
  }
}

/** Answers with a Status. A failure is JSON whatever the client wished: it must always be readable. */
export function sendStatus(exchange: Exchange, status: Status): void {
  const seconds = status.details?.retryAfterSeconds;
  if (seconds !== undefined) exchange.setHeader('retry-after', String(seconds));
  exchange.send(status.code ?? 200, 'application/json', JSON.stringify(status));
}

async function sendJson(
  exchange: Exchange,
  code: number,
  json: Uint8Array | string,
  form: Form,
): Promise<void> {
  if (form.encoding === 'json') return exchange.send(code, 'application/json', json);
  const { printYaml } = await import('../wire/yaml.ts');
  exchange.send(code, 'application/yaml', printYaml(parseWide(Buffer.from(json).toString('utf8'))));
}

/** A list's beginning, how each of its members is written, and its end. */
type Frame = { head: (metadata: ListMeta) => string; item: (entry: Entry) => Uint8Array | string };

const tail = ']}\n';

function frameOf(served: Served, form: Form): Frame {
  const start = (kind: string, apiVersion: string, metadata: ListMeta) =>
    `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(metadata)},`;
  const metaVersion = `meta.k8s.io/${form.version}`;
  switch (form.shape) {
    case 'Object':
      return {
        head: (metadata) => `${start(served.resource.listKind, served.apiVersion, metadata)}"items":[`,
        item: (entry) => wireForm(served, entry),
      };
    case 'Table': {
      const options = tableOptions(served, form);
      const definitions = JSON.stringify(options.columns.map((column) => column.definition));
      return {
        head: (metadata) =>
          `${start('Table', metaVersion, metadata)}"columnDefinitions":${definitions},"rows":[`,
        item: (entry) => printJson(rowOf(decode(served, entry), options)),
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
        head: (metadata) => `${start('PartialObjectMetadataList', metaVersion, metadata)}"items":[`,
        item: (entry) => printJson(partialOf(decode(served, entry), form.version)),
      };
  }
}

/**
 * Answers with a list. A whole list is written slice by slice as it is read, so its size costs no memory; a page is gathered
 * first because its metadata says how it ended.
 */
export async function sendList(
  exchange: Exchange,
  served: Served,
  pages: AsyncGenerator<Entry[], ListMeta>,
  plan: { revision: number; limited: boolean },
  form: Form,
): Promise<void> {
  const frame = frameOf(served, form);
  const first = await pages.next();
  if (first.done) return sendGathered(exchange, frame, [], first.value, form);
  if (plan.limited || form.encoding !== 'json') {
    return sendGathered(exchange, frame, ...(await gather(frame, first.value, pages)), form);
  }
  const second = await pages.next();
  const start = piecesOf(frame, first.value);
  if (second.done) return sendGathered(exchange, frame, start, second.value, form);
  const sink = exchange.open(200, 'application/json', { long: true });
  try {
    sink.write(frame.head({ resourceVersion: String(plan.revision) }));
    let empty = await writeSlice(sink, frame, first.value, true);
    empty = await writeSlice(sink, frame, second.value, empty);
    for await (const entries of pages) empty = await writeSlice(sink, frame, entries, empty);
    sink.write(tail);
    sink.end();
  } catch (error) {
    // The head is out already: only a broken answer can tell the client that this is not the whole list.
    sink.destroy();
    throw error;
  }
}

function piecesOf(frame: Frame, entries: readonly Entry[]): (Uint8Array | string)[] {
  return entries.map(frame.item);
}

async function gather(
  frame: Frame,
  first: Entry[],
  pages: AsyncGenerator<Entry[], ListMeta>,
): Promise<[(Uint8Array | string)[], ListMeta]> {
  const pieces = piecesOf(frame, first);
  for (;;) {
    const next = await pages.next();
    if (next.done) return [pieces, next.value];
    for (const piece of piecesOf(frame, next.value)) pieces.push(piece);
  }
}

function sendGathered(
  exchange: Exchange,
  frame: Frame,
  pieces: readonly (Uint8Array | string)[],
  metadata: ListMeta,
  form: Form,
): Promise<void> {
  return sendJson(exchange, 200, joined(frame.head(metadata), pieces, tail), form);
}

function joined(head: string, pieces: readonly (Uint8Array | string)[], end: string): Buffer {
  const parts: Uint8Array[] = [Buffer.from(head)];
  const comma = Buffer.from(',');
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) parts.push(comma);
    parts.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  }
  parts.push(Buffer.from(end));
  return Buffer.concat(parts);
}

/** Writes one slice and waits until the client has taken it; returns whether the list is still empty. */
async function writeSlice(
  sink: Sink,
  frame: Frame,
  entries: readonly Entry[],
  empty: boolean,
): Promise<boolean> {
  if (entries.length === 0) return empty;
  const flowing = sink.write(joined(empty ? '' : ',', piecesOf(frame, entries), ''));
  if (!flowing) await new Promise<void>((resolve) => sink.drained(resolve));
  if (sink.closed) throw badRequest('the client has gone');
  return false;
}
