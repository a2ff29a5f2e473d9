/** Reads the options of requests from their query (and the body of a delete); malformed ones are refused with a Status. */
import type { FieldError } from '../../schema/contract.ts';
import { forbidden, invalid as invalidValue, unsupported } from '../../schema/errors.ts';
import { isRecord } from '../object.ts';
import type { WriteOptions } from '../registry/context.ts';
import type { ListOptions } from '../registry/list.ts';
import type { DeleteOptions, Propagation } from '../registry/remove.ts';
import { type ApiError, badRequest, invalid } from '../status.ts';
import { asObject, decodeBody } from '../wire/decode.ts';
import type { Exchange } from '../wire/exchange.ts';

const managerLimit = 128;

function refuse(kind: string, ...errors: FieldError[]): ApiError {
  return invalid({ group: 'meta.k8s.io', kind }, '', errors);
}

/** The options of create, update and patch. `kind` is CreateOptions, UpdateOptions or PatchOptions. */
export function writeOptions(exchange: Exchange, kind: string): WriteOptions {
  const { query } = exchange;
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (fieldValidation !== 'Ignore' && fieldValidation !== 'Warn' && fieldValidation !== 'Strict') {
    throw refuse(kind, unsupported('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']));
  }
  checkManager(query.get('fieldManager'), kind);
  return {
    dryRun: dryRunOf(query.getAll('dryRun'), kind),
    fieldManager: query.get('fieldManager') || managerOf(exchange.header('user-agent')),
    fieldValidation,
    warn: exchange.warn,
    annotate: exchange.annotate,
  };
}

function checkManager(manager: string | null, kind: string): void {
  if (manager !== null && manager.length > managerLimit) {
    throw refuse(kind, {
      type: 'FieldValueTooLong',
      field: 'fieldManager',
      message: `Too long: may not be more than ${managerLimit} bytes`,
    });
  }
  const at = manager?.search(/\p{C}/u) ?? -1;
  if (manager === null || at < 0) return;
  const code = (manager.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw refuse(
    kind,
    invalidValue('fieldManager', manager, `invalid character U+${code} (at position ${at})`),
  );
}

/** Without a fieldManager the program in the User-Agent stands for it. */
function managerOf(userAgent: string | undefined): string {
  const program = (userAgent ?? '').split('/')[0]?.slice(0, managerLimit) ?? '';
  return program === '' ? 'unknown' : program;
}

function dryRunOf(values: readonly string[], kind: string): boolean {
  const wrong = values.find((value) => value !== 'All');
  if (wrong !== undefined) {
    const listed = values.map((value) => JSON.stringify(value)).join(', ');
    const message = `Unsupported value: []string{${listed}}: supported values: "All"`;
    throw refuse(kind, { type: 'FieldValueNotSupported', field: 'dryRun', message });
  }
  return values.length > 0;
}

/** A whole number of the query; undefined when absent. */
function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^-?\d{1,15}$/.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

/** A truth value of the query as Go reads it. */
export function truthOf(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  return !['0', 'f', 'false', 'F', 'FALSE', 'False'].includes(text);
}

/** The options of list (apimachinery, ValidateListOptions). */
export function listOptions(query: URLSearchParams): ListOptions {
  const limit = integerOf(query, 'limit');
  const resourceVersion = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  const token = query.get('continue') ?? '';
  integerOf(query, 'timeoutSeconds');
  checkMatch(match, resourceVersion, token);
  if (token !== '' && resourceVersion !== '' && resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  return {
    ...(limit === undefined || limit <= 0 ? {} : { limit }),
    ...(token === '' ? {} : { continue: token }),
    ...(resourceVersion === '' ? {} : { resourceVersion }),
    ...(match === 'Exact' || match === 'NotOlderThan' ? { match } : {}),
  };
}

function checkMatch(match: string, resourceVersion: string, token: string): void {
  if (match === '') return;
  const field = 'resourceVersionMatch';
  const unknown =
    match === 'Exact' || match === 'NotOlderThan'
      ? []
      : [unsupported(field, match, ['Exact', 'NotOlderThan', ''])];
  if (resourceVersion === '') {
    throw refuse(
      'ListOptions',
      forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
      ...unknown,
    );
  }
  if (token !== '') {
    throw refuse(
      'ListOptions',
      forbidden(field, 'resourceVersionMatch is forbidden when continue is provided'),
    );
  }
  if (unknown.length > 0) throw refuse('ListOptions', ...unknown);
  if (match === 'Exact' && resourceVersion === '0') {
    throw refuse(
      'ListOptions',
      forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
    );
  }
}

/** The options of watch. */
export type WatchOptions = {
  resourceVersion: string;
  bookmarks: boolean;
  /** A streaming list: the present state first, then a bookmark that says so. */
  sendInitialEvents: boolean | undefined;
  timeoutSeconds: number | undefined;
};

/** Reads them; throws 422 for combinations that mean nothing. */
export function watchOptions(query: URLSearchParams): WatchOptions {
  const sendInitialEvents = truthOf(query, 'sendInitialEvents');
  const match = query.get('resourceVersionMatch') ?? '';
  const field = sendInitialEvents === undefined ? 'resourceVersionMatch' : 'sendInitialEvents';
  if (sendInitialEvents === undefined && match !== '') {
    throw refuse(
      'ListOptions',
      forbidden(field, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
    );
  }
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    throw refuse(
      'ListOptions',
      forbidden(
        'resourceVersionMatch',
        'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      ),
    );
  }
  const timeoutSeconds = integerOf(query, 'timeoutSeconds');
  return {
    resourceVersion: query.get('resourceVersion') ?? '',
    bookmarks: truthOf(query, 'allowWatchBookmarks') ?? false,
    sendInitialEvents,
    timeoutSeconds: timeoutSeconds !== undefined && timeoutSeconds > 0 ? timeoutSeconds : undefined,
  };
}

/** The options of delete and deletecollection: in the body as DeleteOptions, else in the query. */
export async function deleteOptions(exchange: Exchange): Promise<DeleteOptions> {
  const bytes = await exchange.body();
  const body =
    bytes.length === 0
      ? {}
      : asObject((await decodeBody(bytes, exchange.header('content-type'))).value ?? {});
  if (body.kind !== undefined && body.kind !== '' && body.kind !== 'DeleteOptions') {
    throw badRequest(`expected DeleteOptions in the body, got ${body.kind}`);
  }
  const dryRun = Array.isArray(body.dryRun) ? body.dryRun.map(String) : exchange.query.getAll('dryRun');
  const preconditions = isRecord(body.preconditions) ? body.preconditions : {};
  const propagation = propagationOf(body, exchange.query);
  integerOf(exchange.query, 'gracePeriodSeconds');
  return {
    dryRun: dryRunOf(dryRun, 'DeleteOptions'),
    ...(propagation === undefined ? {} : { propagation }),
    ...(typeof preconditions.uid === 'string' ? { uid: preconditions.uid } : {}),
    ...(typeof preconditions.resourceVersion === 'string'
      ? { resourceVersion: preconditions.resourceVersion }
      : {}),
  };
}

function propagationOf(body: Record<string, unknown>, query: URLSearchParams): Propagation | undefined {
  const value = body.propagationPolicy ?? query.get('propagationPolicy') ?? '';
  const orphan = body.orphanDependents ?? truthOf(query, 'orphanDependents');
  if (value !== '' && orphan !== undefined) {
    throw refuse(
      'DeleteOptions',
      invalidValue('propagationPolicy', value, 'orphanDependents and deletionPropagation cannot be both set'),
    );
  }
  if (orphan !== undefined) return orphan === true ? 'Orphan' : 'Background';
  if (value === '') return undefined;
  if (value === 'Background' || value === 'Foreground' || value === 'Orphan') return value;
  throw refuse(
    'DeleteOptions',
    unsupported('propagationPolicy', value, ['Foreground', 'Background', 'Orphan', 'nil']),
  );
}
