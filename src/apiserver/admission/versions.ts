/** A write as rules name it: one they match by another version of its resource is shown to them in that version. */
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import type { Context } from '../registry/context.ts';
import type { AdmissionRequest } from './request.ts';

/** The write with its objects in the version of `home`. Throws 500 when they cannot be converted. */
export async function inVersion(
  context: Context,
  request: AdmissionRequest,
  home: Served,
): Promise<AdmissionRequest> {
  const { served, asked = served, object, old } = request;
  if (home === served) return request;
  return {
    ...request,
    served: home,
    asked,
    ...(object === undefined ? {} : { object: await objectInVersion(context, served, object, home) }),
    ...(old === undefined ? {} : { old: await objectInVersion(context, served, old, home) }),
  };
}

/** An object of one version of a resource in another; without a webhook they differ in name only. Throws 500. */
export async function objectInVersion(
  context: Context,
  { conversion, apiVersion: present }: Served,
  object: KubeObject,
  { apiVersion }: Served,
): Promise<KubeObject> {
  if (apiVersion === present) return object;
  if (conversion === undefined) return { ...object, apiVersion };
  const [result = object] = await context.convert(conversion, [object], apiVersion);
  return result;
}
