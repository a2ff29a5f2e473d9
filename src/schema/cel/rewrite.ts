/** Writes expressions anew where the library reads less than kube-apiserver: what stands in string literals stays. */
import type { Environment } from '@marcbachmann/cel-js';
import { type Node, nodeOf, visit } from './ast.ts';
import { type Edit, macroEdits } from './macros.ts';
import { withoutMarkedLiterals } from './optionalItems.ts';
import { safeMatches } from './strings.ts';
import { exactTimes } from './times.ts';

/**
 * The source with `.matches(` as the call of RE2, exact times, `has()` of any place bound to a name, literals with optional items as calls, and macros of
 * two variables and of optionals in those of one. Throws for what does not parse.
 */
export function rewritten(environment: Environment, written: string): string {
  const source = withoutMarkedLiterals(written);
  const edits: Edit[] = [];
  visit(environment.parse(source).ast, (node) => {
    edits.push(
      ...matchesEdit(node, source),
      ...timeEdit(node),
      ...hasEdits(node),
      ...macroEdits(node, source),
    );
  });
  return edits
    .sort((a, b) => b.start - a.start)
    .reduce((text, edit) => text.slice(0, edit.start) + edit.text + text.slice(edit.end), source);
}

function matchesEdit({ op, args }: Node, source: string): Edit[] {
  if (op !== 'rcall' || args[0] !== 'matches') return [];
  const start = source.indexOf('matches', nodeOf(args[1])?.end ?? 0);
  return [{ start, end: start + 'matches'.length, text: safeMatches }];
}

function timeEdit({ op, args, start }: Node): Edit[] {
  const name = String(args[0]);
  const text = op === 'call' ? exactTimes.get(name) : undefined;
  return text === undefined ? [] : [{ start, end: start + name.length, text }];
}

/** The library looks for a field of names only: `has(self.a[0].b)` becomes `cel.bind(operand, self.a[0], has(operand.b))`. */
function hasEdits({ op, args, start, end }: Node): Edit[] {
  if (op !== 'call' || args[0] !== 'has') return [];
  const [field] = Array.isArray(args[1]) ? args[1].map(nodeOf) : [];
  const operand = nodeOf(field?.args[0]);
  if (field?.op !== '.' || operand === undefined || isNames(operand)) return [];
  return [
    { start, end: operand.start, text: 'cel.bind(operand, ' },
    { start: operand.end, end, text: `, has(operand.${String(field.args[1])}))` },
  ];
}

function isNames(node: Node): boolean {
  const inner = nodeOf(node.args[0]);
  return node.op === 'id' || (['.', '.?'].includes(node.op) && inner !== undefined && isNames(inner));
}
