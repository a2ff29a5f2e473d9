/** A guest stands still while others are asked whether it may go on: what has to be on disk before it does is written meanwhile. */

export type Ahead<T> = {
  /** Undefined, or an error: it may not. */
  ask(): Promise<T | undefined>;
  /** Writes down what will have been done. Whoever comes after a crash takes it for done. */
  note(): Promise<unknown>;
  /** Takes back what was written: it was not done. */
  takeBack(): Promise<unknown>;
};

/** The answer, once it is allowed and written down. */
export async function askAhead<T>({ ask, note, takeBack }: Ahead<T>): Promise<T | undefined> {
  const noted = note();
  // Told below, once it was asked.
  noted.catch(() => {});
  try {
    const answer = await ask();
    await noted;
    if (answer !== undefined) return answer;
  } catch (error) {
    await noted.then(takeBack, () => {});
    throw error;
  }
  await takeBack();
  return undefined;
}
