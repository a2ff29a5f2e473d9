/**
 * Literals with items that may be absent, `[?a, b]` and `{?k: v}`, which the library does not read. For the tree the marks are taken out and
 * kept by their place; for the run such a literal is written as a list of optionals and the call that makes the list or map of it.
 */
import { type Node, nodeOf } from './ast.ts';

/** How the tree shows an item, or the value of an entry, that may be absent. */
export const optionalItem = 'optional item';

/** One item or entry: what is before it (a bracket or comma), its mark, and the colon of an entry. */
type Item = { from: number; mark?: number; colon?: number; isEmpty: boolean };
/** What stands between brackets; `none` for a call, an index and what is in parentheses. */
type Brackets = { kind: 'list' | 'map' | 'none'; items: [Item, ...Item[]]; end: number; choices: number };

const token =
  /\/\/[^\n]*|\s+|[rRbB]?(?:("""|''')(?:\\[\s\S]|[^\\])*?\1|(["'])(?:\\.|[^\\\n])*?\2)|[\w.]+|[\s\S]/gu;

/** The expression with a blank for each mark, so that places stay, and where they stood. What does not parse stays as it is. */
export function withoutMarks(source: string): { text: string; marks: readonly number[] } {
  const marks = markedLiterals(source).flatMap(({ items }) =>
    items.flatMap(({ mark, isEmpty }) => (isEmpty ? [] : (mark ?? []))),
  );
  const characters = source.split('');
  for (const at of marks) characters[at] = ' ';
  return { text: characters.join(''), marks };
}

/** The tree with its marked items as `optional item` of what they were. */
export function withMarks(root: Node, marks: readonly number[]): Node {
  const all = (values: readonly unknown[]): unknown[] => values.map(below);
  const below = (value: unknown): unknown => {
    if (Array.isArray(value)) return all(value);
    const node = nodeOf(value);
    if (!node) return value;
    return ['list', 'map'].includes(node.op) ? literal(node) : { ...node, args: all(node.args) };
  };
  const literal = (node: Node): Node => {
    let from = node.start;
    const args = node.args.map((arg) => {
      const parts = [arg].flat().map(below);
      const [first, last] = [nodeOf(parts[0]), nodeOf(parts.at(-1))];
      if (!first || !last) return arg;
      const isMarked = marks.some((at) => at >= from && at < first.start);
      from = last.end;
      const value = isMarked ? { ...last, op: optionalItem, args: [last] } : last;
      return node.op === 'list' ? value : [first, value];
    });
    return { ...node, args };
  };
  return marks.length === 0 ? root : (nodeOf(below(root)) ?? root);
}

/** The expression with calls in place of marked literals: `[a, optional.of(b)].unwrapOpt()` for `[?a, b]`. */
export function withoutMarkedLiterals(source: string): string {
  const texts = new Map<number, string>();
  for (const { kind, items, end } of markedLiterals(source)) {
    let before = '[';
    for (const item of items) {
      const isPlain = item.mark === undefined;
      const opened = { list: isPlain ? 'optional.of(' : '', map: '[', none: '' }[kind];
      texts.set(item.from, item.isEmpty ? before : `${before}${opened}`);
      if (item.isEmpty) {
        before = '';
        continue;
      }
      if (item.mark !== undefined) texts.set(item.mark, ' ');
      if (item.colon !== undefined) texts.set(item.colon, isPlain ? ', optional.of(' : ', ');
      const closed = `${isPlain ? ')' : ''}${kind === 'map' ? ']' : ''}`;
      before = `${closed}, `;
    }
    texts.set(end, `${before.replace(/, $/, '')}]${kind === 'map' ? '.mapOfOptionals()' : '.unwrapOpt()'}`);
  }
  if (texts.size === 0) return source;
  return source
    .split('')
    .map((character, at) => texts.get(at) ?? character)
    .join('');
}

/** Finds the literals that hold marks. */
function markedLiterals(source: string): Brackets[] {
  if (!source.includes('?')) return [];
  const found: Brackets[] = [];
  const open: Brackets[] = [];
  let before = '';
  for (const { 0: text, index } of source.matchAll(token)) {
    if (/^(\s|\/\/)/.test(text)) continue;
    const top = open.at(-1);
    const item = top?.items.at(-1);
    const isFirst = ['[', '{', ','].includes(before);
    if (text === '?' && top && item) {
      if (isFirst && top.kind !== 'none') item.mark = index;
      else if (!isFirst && !before.endsWith('.')) top.choices += 1;
    } else if (text === ':' && top && item) {
      if (top.choices > 0) top.choices -= 1;
      else item.colon ??= index;
    } else if (text === ',') {
      top?.items.push({ from: index, isEmpty: true });
    } else if ([']', '}', ')'].includes(text)) {
      const ended = open.pop();
      const hasMarks = ended?.items.some(({ mark, isEmpty }) => mark !== undefined && !isEmpty);
      if (ended && hasMarks) found.push({ ...ended, end: index });
    } else {
      if (item) item.isEmpty = false;
      if (['[', '{', '('].includes(text)) {
        const isAfterOperand = /[\w"'\])}]$/.test(before) && before !== 'in';
        const kind = text === '(' || isAfterOperand ? 'none' : text === '[' ? 'list' : 'map';
        open.push({ kind, items: [{ from: index, isEmpty: true }], end: index, choices: 0 });
      }
    }
    before = text;
  }
  return found;
}
