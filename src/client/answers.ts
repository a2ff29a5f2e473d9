/** From the server's bytes to values: Status objects become ApiError, lines of a watch become events. */
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';
import type { WatchEvent } from './contract.ts';
import { ApiError } from './contract.ts';
import type { JsonObject } from './patch.ts';
import { isJsonObject } from './patch.ts';
import type { Answer } from './transport.ts';

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function causesOf(details: unknown): { field?: string; reason?: string; message?: string }[] {
  const causes = isJsonObject(details) ? details.causes : undefined;
  return (Array.isArray(causes) ? causes : []).filter(isJsonObject).map((cause) => {
    const [field, reason, message] = [text(cause.field), text(cause.reason), text(cause.message)];
    return {
      ...(field === undefined ? {} : { field }),
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    };
  });
}

/** The error that a metav1.Status stands for; `code` when the Status itself has none. */
export function errorOfStatus(status: unknown, code: number, retryAfterHeader?: unknown): ApiError {
  const said = isJsonObject(status) ? status : {};
  const details = isJsonObject(said.details) ? said.details : {};
  const seconds = Number(details.retryAfterSeconds ?? retryAfterHeader);
  return new ApiError(
    typeof said.code === 'number' ? said.code : code,
    text(said.reason) ?? 'Unknown',
    text(said.message) ?? `the server answered ${code}`,
    {
      causes: causesOf(details),
      ...(Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
    },
  );
}

/** The JSON object of a good answer. Throws ApiError for every other answer, a truncated one included. */
export function objectOf(answer: Answer): JsonObject {
  const value = parse(answer.text);
  if (answer.code < 200 || answer.code > 299) {
    throw errorOfStatus(value, answer.code, answer.headers['retry-after']);
  }
  if (value === undefined) throw new ApiError(0, 'InvalidAnswer', 'the server answered with no JSON object');
  return value;
}

/** One line of a watch. Throws the ApiError that an ERROR event carries. */
export function eventOf<T extends KubeObject>(line: string): WatchEvent<T> {
  const event = parse(line);
  const object = isJsonObject(event?.object) ? event.object : {};
  switch (event?.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type: event.type, object: object as unknown as Stored<T> };
    case 'BOOKMARK': {
      const metadata = isJsonObject(object.metadata) ? object.metadata : {};
      return { type: 'BOOKMARK', resourceVersion: text(metadata.resourceVersion) ?? '' };
    }
    case 'ERROR':
      throw errorOfStatus(object, 500);
    default:
      throw new ApiError(0, 'InvalidAnswer', 'the server sent a line that is no watch event');
  }
}

/** Splits at line feeds on bytes, so that no letter is cut between two chunks. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      start = end + 1;
      if (line.trim() !== '') yield line;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
}

/** Items of a list of a built-in kind come without apiVersion and kind. */
export function itemsOf<T extends KubeObject>(
  kind: KindRef<T>,
  list: JsonObject,
  apiVersion: string,
): Stored<T>[] {
  const items = Array.isArray(list.items) ? list.items : [];
  return items.map((item) => ({ apiVersion, kind: kind.kind, ...(item as object) }) as Stored<T>);
}
