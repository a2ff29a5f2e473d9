/** The syntax tree of an expression, narrowed from the library's: an operator and its operands. */
export type Node = { op: string; args: readonly unknown[]; start: number; end: number };

/** The node that an operand is; undefined for operands that are names or lists. */
export function nodeOf(value: unknown): Node | undefined {
  if (typeof value !== 'object' || value === null || !('op' in value) || !('args' in value)) return undefined;
  const { op, args } = value;
  return {
    op: String(op),
    args: Array.isArray(args) ? args : [args],
    start: 'start' in value ? Number(value.start) : 0,
    end: 'end' in value ? Number(value.end) : 0,
  };
}

/** Calls `use` for each node at and below `value`. */
export function visit(value: unknown, use: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, use);
    return;
  }
  const node = nodeOf(value);
  if (!node) return;
  use(node);
  visit(node.args, use);
}
