/** Built-in resources for tests that put objects into a store themselves. */
import { createCatalog } from '../../../src/apiserver/catalog/catalog.ts';
import type { Served } from '../../../src/apiserver/catalog/served.ts';
import { silentLog } from '../../../src/base/log.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';

/** A resource of the core group. */
export function builtinServed(plural: string): Served {
  const catalog = createCatalog(createMemoryStore(), silentLog);
  const found = catalog.find('', 'v1', plural);
  catalog.close();
  if (found === undefined) throw new Error(`there are no ${plural}`);
  return found;
}
