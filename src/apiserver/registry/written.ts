/** What a write leaves: the object to answer with. */
import type { KubeObject } from '../object.ts';

/** The outcome of a write. `wire` is the object's JSON, made only when the client wants the object as it is. */
export type Written = { code: 200 | 201; object: KubeObject; wire: () => Buffer };
