/**
 * Macros that the library does not know, written in those it knows: loops over two variables as loops over pairs, and those of an optional
 * as loops over the list of the value it may hold. What `entries`, `held` and the others do is in comprehensions.ts.
 */
import { type Node, nodeOf } from './ast.ts';
import { loopVariables } from './check/macros.ts';

/** Text to put in place of a part of the source. */
export type Edit = { start: number; end: number; text: string };

/** The variable that holds a pair; the names of the rule are bound to its parts before anything of the rule is looked at. */
const pair = 'pairOfEntries';

/** How a macro is written: the loop over pairs, what stands around each round's value, and what is made of the loop. */
type Form = { loop: string; before?: string; after?: string; finally?: string };

const forms: Readonly<Record<string, Form>> = {
  all: { loop: 'all' },
  exists: { loop: 'exists' },
  exists_one: { loop: 'exists_one' },
  existsOne: { loop: 'exists_one' },
  transformList: { loop: 'map' },
  transformMap: { loop: 'map', before: `[${pair}[0], `, after: ']', finally: '.mapOfPairs()' },
  transformMapEntry: { loop: 'map', finally: '.mapOfMaps()' },
};

/** The edits that write a call anew, none where it is no such macro. Throws for variables that are no names. */
export function macroEdits({ op, args, end }: Node, source: string): Edit[] {
  if (op !== 'rcall' || !Array.isArray(args[2])) return [];
  const name = String(args[0]);
  const given = args[2].map(nodeOf);
  const start = source.indexOf(name, nodeOf(args[1])?.end ?? 0);
  if ((name === 'optMap' || name === 'optFlatMap') && given.length === 2) {
    return [
      { start, end: start + name.length, text: 'held().map' },
      { start: end, end, text: name === 'optMap' ? '.first()' : '.firstHeld()' },
    ];
  }
  const form = forms[name];
  if (form === undefined || loopVariables(name, given.length) !== 2) return [];
  const [first, second, ...parts] = given.map((node) => ({ name: variable(node), end: node?.end ?? end }));
  const bound = `cel.bind(${first?.name}, ${pair}[0], cel.bind(${second?.name}, ${pair}[1], `;
  const { loop, before = '', after = '', finally: made = '' } = form;
  const opened = `entries().${loop}(${pair}, `;
  const edits: Edit[] = [];
  const [filter] = parts.length === 2 ? parts : [];
  const body = afterComma(source, second?.end ?? 0);
  edits.push({ start, end: body, text: `${opened}${filter ? '' : before}${bound}` });
  if (filter) {
    const value = afterComma(source, filter.end);
    edits.push({ start: value - 1, end: value, text: `)), ${before}${bound}` });
  }
  edits.push({ start: end - 1, end: end - 1, text: `))${after}` }, { start: end, end, text: made });
  return edits;
}

function variable(node: Node | undefined): string {
  return node?.op === 'id' ? String(node.args[0]) : '';
}

/** Where the text after the comma behind `from` begins: only closing brackets and blanks can stand between. */
function afterComma(source: string, from: number): number {
  return source.indexOf(',', from) + 1;
}
