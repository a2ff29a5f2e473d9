/** Lets what cannot wait, as the work on field owners, look at objects in other versions that only a webhook can convert. */

import { printJson } from '../../schema/json.ts';
import { rootType } from '../apply/typing.ts';
import type { Versions } from '../apply/versions.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import type { Context } from './context.ts';

/** Thrown to say which conversion is missing. */
class Missing extends Error {
  readonly object: KubeObject;
  readonly apiVersion: string;

  constructor(object: KubeObject, apiVersion: string) {
    super(`not converted to ${apiVersion} yet`);
    this.object = object;
    this.apiVersion = apiVersion;
  }
}

/**
 * What `work` makes of the versions of the kind, none where they differ in name only. It must be pure: with a conversion webhook it
 * is begun anew after each conversion that it turns out to need. Throws 500 when one fails.
 */
export async function withForms<T>(
  context: Context,
  { conversion, resource }: Served,
  work: (versions?: Versions) => T,
): Promise<T> {
  if (conversion === undefined) return work();
  const known = new Map<string, KubeObject>();
  const keyOf = (object: KubeObject, apiVersion: string) => `${apiVersion} ${printJson(object)}`;
  const versions: Versions = {
    formOf: (apiVersion) => apiVersion,
    typeOf: (apiVersion) => {
      const other = context.catalog.findKind(apiVersion, resource.kind);
      return other && rootType(other.resource.schema);
    },
    convert: (object, apiVersion) => {
      if (object.apiVersion === apiVersion) return object;
      const found = known.get(keyOf(object, apiVersion));
      if (found === undefined) throw new Missing(object, apiVersion);
      return found;
    },
  };
  for (;;) {
    try {
      return work(versions);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      const { object, apiVersion } = error;
      const [converted = object] = await context.convert(conversion, [object], apiVersion);
      known.set(keyOf(object, apiVersion), converted);
    }
  }
}
