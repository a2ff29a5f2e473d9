/** Content negotiation: which of the forms the server can write an Accept header asks for first. */
import { notAcceptable } from '../status.ts';

/** One range of an Accept header. */
export type MediaRange = { type: string; parameters: { readonly [name: string]: string }; quality: number };

/** How the answer is written. */
export type Encoding = 'json' | 'yaml';

/** The shapes an object or list can be asked for in. */
export type Shape = 'Object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';

/** What a client will get. */
export type Negotiated = { encoding: Encoding; shape: Shape; version: string };

const encodings: { readonly [type: string]: Encoding } = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/*': 'json',
  '*/*': 'json',
};

/** The media types named in a 406. */
export const supportedTypes = ['application/json', 'application/yaml'];

/** Parses an Accept header, the most wanted range first (RFC 9110, 12.5.1); the order of equals is kept. */
export function parseAccept(header: string | undefined): MediaRange[] {
  if (header === undefined || header.trim() === '') return [{ type: '*/*', parameters: {}, quality: 1 }];
  return header
    .split(',')
    .map(parseRange)
    .filter((range) => range.quality > 0)
    .sort((a, b) => b.quality - a.quality);
}

function parseRange(text: string): MediaRange {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters: Record<string, string> = Object.create(null);
  for (const parameter of rest) {
    const at = parameter.indexOf('=');
    if (at > 0)
      parameters[parameter.slice(0, at).toLowerCase()] = parameter.slice(at + 1).replaceAll('"', '');
  }
  const quality = Number(parameters.q ?? 1);
  return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality };
}

/** The form of an object, list or watch event; throws 406 when none is possible. */
export function negotiate(header: string | undefined): Negotiated {
  for (const range of parseAccept(header)) {
    const encoding = encodings[range.type];
    const shape = shapeOf(range);
    if (encoding !== undefined && shape !== undefined) {
      return { encoding, shape, version: range.parameters.v ?? 'v1' };
    }
  }
  throw notAcceptable(supportedTypes);
}

function shapeOf({ parameters }: MediaRange): Shape | undefined {
  const { as, g, v } = parameters;
  if (as === undefined) return 'Object';
  if (g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return undefined;
  return as === 'Table' || as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList'
    ? as
    : undefined;
}
