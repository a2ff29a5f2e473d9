/** Field selectors: `metadata.name=a,spec.host!=b` over the few fields a kind lets be selected. */
import { isRecord, type KubeObject } from '../object.ts';
import { badRequest } from '../status.ts';

/** One requirement; all must hold. */
export type FieldRequirement = { field: string; equal: boolean; value: string };

/** A parsed selector; empty matches everything. */
export type FieldSelector = readonly FieldRequirement[];

/**
 * Parses a selector and refuses fields this kind does not select by (400). In values `\`, `=` and `,` are escaped by a
 * backslash (apimachinery, pkg/fields).
 */
export function parseFieldSelector(text: string, selectable: ReadonlySet<string>): FieldSelector {
  const requirements = splitTerms(text)
    .filter((term) => term !== '')
    .map((term) => parseTerm(term, text));
  for (const { field } of requirements) {
    if (!selectable.has(field)) throw badRequest(`field label not supported: ${field}`);
  }
  return requirements;
}

function splitTerms(text: string): string[] {
  return text.match(/(?:\\.|[^\\,])+/gs) ?? [];
}

function parseTerm(term: string, text: string): FieldRequirement {
  const found = /^((?:[^\\=!]|\\.)*?)(!=|==|=)(.*)$/s.exec(term);
  if (found === null) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
  const [, field = '', operator, raw = ''] = found;
  return { field, equal: operator !== '!=', value: unescaped(raw, text) };
}

function unescaped(raw: string, text: string): string {
  if (/(^|[^\\])(\\\\)*=/.test(raw))
    throw badRequest(`invalid field selector: '${text}': unescaped = in a value`);
  return raw.replace(/\\(.)/gs, '$1');
}

/** True when all requirements hold. A field that is absent equals the empty string. */
export function matchesFields(selector: FieldSelector, object: KubeObject): boolean {
  return selector.every(({ field, equal, value }) => (fieldText(object, field) === value) === equal);
}

/** The value a selector demands of a field by equality, if it does. */
export function demanded(selector: FieldSelector, field: string): string | undefined {
  return selector.find((requirement) => requirement.equal && requirement.field === field)?.value;
}

/** The text by which a field is compared; the empty one where it is absent or holds no scalar. */
export function fieldText(object: KubeObject, field: string): string {
  let value: unknown = object;
  for (const part of field.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, part)) return '';
    value = value[part];
  }
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return '';
  }
}
