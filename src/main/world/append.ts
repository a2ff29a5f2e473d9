/** Adds to the end of a file: for logs, which no rename may replace. */
import { appendFile } from 'node:fs/promises';

/** Appends text; a missing file is made for its owner's eyes only. */
export async function appendText(path: string, text: string): Promise<void> {
  await appendFile(path, text, { mode: 0o600 });
}
