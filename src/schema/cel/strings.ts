/** String functions of CEL's strings extension (version 2) and Kubernetes' regular expressions. */
import type { Environment } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';
import type { Pattern } from '../patterns.ts';
import { formatText } from './format-text.ts';

/** The name under which rules reach RE2 in place of the library's own `matches`, which backtracks. */
export const safeMatches = 'matchesRe2';

/** The object behind the name `strings` in rules. */
class StringsNamespace {}

export function registerStrings(environment: Environment, pattern: (source: string) => Pattern): void {
  const matches = (text: string, source: string) => pattern(source)(text);
  environment
    .registerFunction(`string.${safeMatches}(string): bool`, matches)
    .registerFunction('matches(string, string): bool', matches)
    .registerFunction(
      'string.find(string): string',
      (text: string, source: string) => find(text, source, 1)[0] ?? '',
    )
    .registerFunction('string.findAll(string): list<string>', (text: string, source: string) =>
      find(text, source, -1),
    )
    .registerFunction(
      'string.findAll(string, int): list<string>',
      (text: string, source: string, limit: bigint) => find(text, source, Number(limit)),
    )
    .registerFunction('string.charAt(int): string', charAt)
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      text.split(from).join(to),
    )
    .registerFunction('string.replace(string, string, int): string', replaceSome)
    .registerFunction('string.format(list<dyn>): string', formatText)
    .registerType('StringsNamespace', StringsNamespace)
    .registerConstant('strings', 'StringsNamespace', new StringsNamespace())
    .registerFunction('StringsNamespace.quote(string): string', (_: unknown, text: string) => quoted(text));
}

function find(text: string, source: string, limit: number): string[] {
  const matcher = RE2JS.compile(source).matcher(text);
  const found: string[] = [];
  while ((limit < 0 || found.length < limit) && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

function charAt(text: string, index: bigint): string {
  const characters = [...text];
  if (index < 0n || index > BigInt(characters.length)) throw new Error(`index out of range: ${index}`);
  return characters[Number(index)] ?? '';
}

function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  const parts = text.split(from);
  if (limit < 0n || limit >= BigInt(parts.length - 1)) return parts.join(to);
  const count = Number(limit);
  return (
    parts.slice(0, count + 1).join(to) +
    parts
      .slice(count + 1)
      .map((part) => from + part)
      .join('')
  );
}

const escapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

function quoted(text: string): string {
  return `"${[...text].map((character) => escapes[character] ?? character).join('')}"`;
}
