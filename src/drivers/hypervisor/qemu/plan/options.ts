/** How options are written for QEMU: `key=value` lists with doubled commas, and JSON where values have types. Pure. */

/** Values of one `key=value` list; absent ones are left out. */
export type OptionValues = Readonly<Record<string, string | number | boolean | undefined>>;

/** `head,key=value,...` as one argument. A comma inside a value is doubled, or the rest of it would become options (qemu(1)). */
export function optionList(head: string, values: OptionValues = {}): string {
  const parts = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${writeValue(value)}`],
  );
  return [...(head === '' ? [] : [escapeCommas(head)]), ...parts].join(',');
}

/** A device: `-device driver,id=...,key=value`. */
export function device(driver: string, id: string, values: OptionValues): string[] {
  return ['-device', optionList(driver, { id, ...values })];
}

/** A block node in JSON: file names need no escaping, numbers and booleans keep their type. */
export function blockNode(node: Readonly<Record<string, unknown>>): string[] {
  return ['-blockdev', JSON.stringify(node)];
}

/** A command line as text, each option on a line of its own. */
export function printArguments(argv: readonly string[]): string {
  const lines: string[] = [];
  for (const argument of argv) {
    const last = lines.length - 1;
    const option = lines[last];
    if (option?.startsWith('-') && !option.includes(' ') && !argument.startsWith('-')) {
      lines[last] = `${option} ${argument}`;
    } else lines.push(argument);
  }
  return `${lines.join('\n')}\n`;
}

function writeValue(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return escapeCommas(String(value));
}

function escapeCommas(text: string): string {
  return text.replaceAll(',', ',,');
}
