/**
 * ConversionReview of apiextensions.k8s.io/v1: the question a conversion webhook is asked and the reading of its answer, with the
 * messages of kube-apiserver (apiextensions-apiserver, pkg/apiserver/conversion/webhook_converter.go).
 */
import { equalJson, isRecord, type KubeObject, type ObjectMeta } from '../object.ts';

/** The question: these objects, in one version, as another one. */
export function conversionReview(uid: string, desiredAPIVersion: string, objects: readonly KubeObject[]) {
  return {
    kind: 'ConversionReview',
    apiVersion: 'apiextensions.k8s.io/v1',
    request: { uid, desiredAPIVersion, objects },
  };
}

/** The converted objects, each with the metadata it had but for labels and annotations; throws an Error that says what is wrong. */
export function readConversion(
  review: unknown,
  uid: string,
  desiredAPIVersion: string,
  objects: readonly KubeObject[],
): KubeObject[] {
  const response = isRecord(review) ? review.response : undefined;
  if (!isRecord(response)) throw new Error('failed: no response provided');
  if (response.uid !== uid) {
    throw new Error(
      `failed: expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(String(response.uid))}`,
    );
  }
  const { result, convertedObjects } = response;
  const { status, message } = isRecord(result) ? result : {};
  if (status !== 'Success') {
    const why = typeof message === 'string' && message !== '' ? message : undefined;
    throw new Error(
      `failed: ${why ?? `response.result.status was '${String(status ?? '')}', not 'Success'`}`,
    );
  }
  const converted: unknown[] = Array.isArray(convertedObjects) ? convertedObjects : [];
  if (converted.length !== objects.length) {
    throw new Error(`returned ${converted.length} objects, expected ${objects.length}`);
  }
  return objects.map((object, index) => restored(object, converted[index], index, desiredAPIVersion));
}

function restored(object: KubeObject, converted: unknown, index: number, apiVersion: string): KubeObject {
  const fault = `returned invalid converted object at index ${index}`;
  if (!isRecord(converted)) throw new Error(`${fault}: it is no object`);
  if (converted.apiVersion !== apiVersion) {
    throw new Error(
      `${fault}: invalid groupVersion (expected ${apiVersion}, received ${String(converted.apiVersion)})`,
    );
  }
  if (converted.kind !== object.kind) {
    throw new Error(`${fault}: invalid kind (expected ${object.kind}, received ${String(converted.kind)})`);
  }
  const metadata = isRecord(converted.metadata) ? converted.metadata : {};
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if (equalJson(metadata[field] ?? '', object.metadata[field] ?? '')) continue;
    throw new Error(
      `returned invalid metadata at index ${index}: metadata.${field} must not change: ${String(metadata[field])} != ${String(object.metadata[field])}`,
    );
  }
  return { ...converted, apiVersion, kind: object.kind, metadata: mergedMeta(object.metadata, metadata) };
}

/** Only labels and annotations are the webhook's to change. */
function mergedMeta(original: ObjectMeta, { labels, annotations }: Record<string, unknown>): ObjectMeta {
  const { labels: _labels, annotations: _annotations, ...kept } = original;
  return {
    ...kept,
    ...(isTextMap(labels) ? { labels } : {}),
    ...(isTextMap(annotations) ? { annotations } : {}),
  };
}

function isTextMap(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((item) => typeof item === 'string');
}
