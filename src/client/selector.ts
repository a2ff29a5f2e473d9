/** Label and field selectors as kube-apiserver reads them: text in, a test of an object out. */
import type { KubeObject } from '../api/meta.ts';
import { ApiError } from './contract.ts';
import { isJsonObject } from './patch.ts';

export type Selector = (object: KubeObject) => boolean;

const EVERYTHING: Selector = () => true;

function refuse(text: string): never {
  throw new ApiError(400, 'BadRequest', `unable to parse selector requirement ${JSON.stringify(text)}`);
}

/** Commas inside `in (a,b)` do not separate requirements. */
function splitRequirements(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function setRequirement(part: string): LabelTest | undefined {
  const found = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
  if (found === null) return undefined;
  const [, name = '', operator, list = ''] = found;
  const values = new Set(list.split(',').map((value) => value.trim()));
  if (operator === 'in') return (labels) => values.has(labels[name] ?? '\0');
  return (labels) => !values.has(labels[name] ?? '\0');
}

function labelRequirement(part: string): LabelTest {
  const set = setRequirement(part);
  if (set !== undefined) return set;
  const [, name = '', operator, value = ''] = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(part) ?? [];
  if (operator === '!=') return (labels) => labels[name] !== value;
  if (operator !== undefined) return (labels) => labels[name] === value;
  const [, absent, existing = ''] = /^(!?)\s*([^=!\s()]+)$/.exec(part) ?? refuse(part);
  return absent === '!' ? (labels) => !(existing in labels) : (labels) => existing in labels;
}

/** `app=web,tier in (a,b),!old`: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
export function labelSelector(text: string | undefined): Selector {
  if (text === undefined || text.trim() === '') return EVERYTHING;
  const tests = splitRequirements(text).map(labelRequirement);
  return (object) => tests.every((test) => test(object.metadata.labels ?? {}));
}

function textAt(object: unknown, path: readonly string[]): string {
  const value = path.reduce<unknown>((at, name) => (isJsonObject(at) ? at[name] : undefined), object);
  return value === undefined || value === null ? '' : String(value);
}

/** `status.placement.host=a,metadata.name!=b`; an absent field equals the empty text. */
export function fieldSelector(text: string | undefined): Selector {
  if (text === undefined || text.trim() === '') return EVERYTHING;
  const tests = splitRequirements(text).map((part): Selector => {
    const [, field = '', operator, value = ''] = /^([^=!\s]+)(==|=|!=)(.*)$/.exec(part) ?? refuse(part);
    const path = field.split('.');
    return (object) => (textAt(object, path) === value) === (operator !== '!=');
  });
  return (object) => tests.every((test) => test(object));
}

/** Both selectors and the namespace of a list or watch as one test. */
export function selectorOf(options: {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}): Selector {
  const byLabel = labelSelector(options.labelSelector);
  const byField = fieldSelector(options.fieldSelector);
  const { namespace } = options;
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    byLabel(object) &&
    byField(object);
}
