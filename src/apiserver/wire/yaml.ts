/** YAML as bodies and answers have it: the core schema with merge keys, whole numbers of 64 bits exact. Loaded only when it is used. */
import { CORE_SCHEMA, defineScalarTag, dump, intCoreTag, load, mergeTag, YAMLException } from 'js-yaml';
import { isWide } from '../../schema/json.ts';

const exactInteger = defineScalarTag<number | bigint>(intCoreTag.tagName, {
  ...intCoreTag,
  resolve: (source, isExplicit, tagName) => {
    const digits = source.replace(/^\+/, '');
    return isWide(digits) ? BigInt(digits) : intCoreTag.resolve(source, isExplicit, tagName);
  },
  identify: (value) => typeof value === 'bigint' || intCoreTag.identify(value),
});

const schema = CORE_SCHEMA.withTags([exactInteger, mergeTag]);

/** The first document's value, with what YAML has beyond JSON; of repeated keys the last counts, the first of them is told. Throws for text that is no YAML. */
export function parseYaml(text: string): { value: unknown; duplicates: string[] } {
  try {
    return { value: load(text, { schema }), duplicates: [] };
  } catch (error) {
    if (!(error instanceof YAMLException) || error.reason !== 'duplicated mapping key') throw error;
    const key = /^[^\s:,]*/.exec(text.slice(error.mark?.position ?? 0))?.[0] ?? '';
    return { value: load(text, { schema, json: true }), duplicates: [key] };
  }
}

/** The YAML of a JSON value. */
export function printYaml(value: unknown): string {
  return dump(value, { schema, noRefs: true });
}
