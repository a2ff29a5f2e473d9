/** Sums of files that grow, as a port. */

/** SHA-256, hexadecimal, of the first so many bytes of a file. */
export type FileSum = { sha256: string; bytes: number };

/** The sum of one file under way. */
export type GrowingSum = {
  /** Nobody writes to it any more. Rejects when it could not be read: whoever needs the sum reads it as a whole then. */
  end(): Promise<FileSum>;
  /** Nobody wants it any more; repeatable. */
  drop(): void;
};

/** Begins to take the sum of a file that is only ever appended to; it need not be there yet. */
export type SumGrowing = (path: string) => GrowingSum;
