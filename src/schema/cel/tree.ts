/** Reads an expression with all that may stand in it, for those who look at it without running it. */
import type { Environment } from '@marcbachmann/cel-js';
import { type Node, nodeOf } from './ast.ts';
import { withMarks, withoutMarks } from './optionalItems.ts';

/** The tree of `source`; throws for what does not parse. */
export function parseTree(environment: Environment, source: string): Node {
  const { text, marks } = withoutMarks(source);
  const root = nodeOf(environment.parse(text).ast) ?? { op: 'value', args: [], start: 0, end: 0 };
  return withMarks(root, marks);
}
