/** The undo stack: push the undo right after the deed; on failure the deeds are undone newest first. */

export type Unwind = {
  /** Registers what takes back the deed just done. */
  push(undo: () => Promise<void>): void;
  /** Forgets all undos: the work as a whole succeeded. */
  commit(): void;
  /** Undoes newest first; every undo is tried, the errors are returned. */
  rollback(): Promise<unknown[]>;
};

export function createUnwind(): Unwind {
  let undos: (() => Promise<void>)[] = [];
  return {
    push: (undo) => {
      undos.push(undo);
    },
    commit: () => {
      undos = [];
    },
    rollback: async () => {
      const errors: unknown[] = [];
      for (const undo of undos.reverse()) {
        await undo().catch((error: unknown) => errors.push(error));
      }
      undos = [];
      return errors;
    },
  };
}

/** Runs `work` with an undo stack: rolled back and re-thrown on failure, committed on success. */
export async function withUnwind<T>(work: (unwind: Unwind) => Promise<T>): Promise<T> {
  const unwind = createUnwind();
  try {
    const result = await work(unwind);
    unwind.commit();
    return result;
  } catch (error) {
    await unwind.rollback();
    throw error;
  }
}
