/** Writes objects, lists and Statuses in the form the client asked for: as they are, as a Table, as metadata only; JSON or YAML. */
import { parseWide, printJson } from '../../schema/json.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import { badRequest, notAcceptable, type Status } from '../status.ts';
import { type IncludeObject, partialOf, type TableOptions, tableOf } from '../table/table.ts';
import { type Negotiated, supportedTypes } from '../wire/accept.ts';
import type { Exchange } from '../wire/exchange.ts';

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
