/** Regular expressions with RE2's grammar and linear time: a pattern from a CRD must not be able to stall the server. */
import { RE2JS } from 're2js';

/** True when the expression matches anywhere in the text, as Go's regexp.MatchString. */
export type Pattern = (text: string) => boolean;

/** Throws when `source` is no RE2 expression. */
export function compilePattern(source: string): Pattern {
  const expression = RE2JS.compile(source);
  return (text) => expression.test(text);
}
