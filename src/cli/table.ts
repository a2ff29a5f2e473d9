/** Tables as kubectl prints them: upper-case heads, columns three blanks apart. */

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head.map((cell) => cell.toUpperCase()), ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join('   '),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** A metav1.Table as the API server renders it for kubectl. */
export type ServerTable = {
  columnDefinitions: { name: string; priority?: number }[];
  rows: { cells: unknown[] }[];
};

/** The columns kubectl shows without `-o wide`. */
export function printServerTable(table: ServerTable): string {
  const shown = table.columnDefinitions
    .map((column, index) => ({ ...column, index }))
    .filter(({ priority }) => (priority ?? 0) === 0);
  return printTable(
    shown.map(({ name }) => name),
    table.rows.map((row) => shown.map(({ index }) => String(row.cells[index] ?? '<none>'))),
  );
}
