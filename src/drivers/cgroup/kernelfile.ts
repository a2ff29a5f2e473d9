/** Reading and writing the kernel's control files, where a vanished group is an answer and a refused write needs its cause named. */
import type { Files } from '../../base/files.ts';
import { ReasonedError } from '../../base/outcome.ts';

/** The errno name of a system error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Trimmed text, or undefined when the file or its group is gone: a group removed between open and read gives ENODEV. */
export async function readControl(files: Files, path: string): Promise<string | undefined> {
  try {
    return (await files.readText(path))?.trim();
  } catch (error) {
    if (errorCode(error) === 'ENODEV') return undefined;
    throw error;
  }
}

/** Writes one value; the kernel's refusal becomes a ReasonedError that names the file, the value and the errno. */
export async function writeControl(files: Files, path: string, value: string, reason: string): Promise<void> {
  try {
    await files.writeInPlace(path, value);
  } catch (error) {
    throw new ReasonedError(
      reason,
      `cannot write ${value} to ${path}: ${errorCode(error) ?? String(error)}`,
      {
        cause: error,
      },
    );
  }
}
