/** The recipe of docs/backup.md by which a guest is had back by hand, run as it is written there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout, must } from './commands.ts';

/** Runs the named blocks of the recipe, one after the other, as somebody who reads it would. */
export async function follow(blocks: string, env: Record<string, string>): Promise<void> {
  const page = await readFile(join(checkout, 'docs/backup.md'), 'utf8');
  const scripts = blocks.split(' ').map((block) => {
    const script = new RegExp(`^\`\`\`sh ${block}\\n(.*?)^\`\`\``, 'ms').exec(page)?.[1];
    if (script === undefined) throw new Error(`docs/backup.md has no block ${block}`);
    return script;
  });
  const exports = Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`);
  await must(['sh', '-euc', [...exports, ...scripts].join('')]);
}
