/**
 * The OpenAPI v3 documents of the server, one per group version, and their index: what `kubectl explain` prints, by
 * which kubectl learns of server-side field validation, and how clients merge lists of built-in kinds.
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3
 */
import { apiVersionOf, type ResourceInfo } from '../resource.ts';
import { type Models, modelsOf } from './models.ts';
import { type Paths, pathsOf } from './paths.ts';

/** An OpenAPI v3 document, ready for JSON. */
export type OpenApiV3 = {
  openapi: '3.0.0';
  info: { title: string; version: string };
  paths: Paths;
  components: { schemas: Models };
};

/** The answer of `/openapi/v3`. */
export type OpenApiV3Index = { paths: { [path: string]: { serverRelativeURL: string } } };

/** The path of a group version's document below `/openapi/v3/`: `api/v1`, `apis/example.dev/v1`. */
export function openApiV3Path(groupVersion: { group: string; version: string }): string {
  return `${groupVersion.group === '' ? 'api' : 'apis'}/${apiVersionOf(groupVersion)}`;
}

/** The document of one group version; `resources` are all that it serves, `version` is the server's (`v1.33.0`). */
export function openApiV3(resources: readonly ResourceInfo[], version: string): OpenApiV3 {
  const paths: Paths = {};
  for (const resource of resources) Object.assign(paths, pathsOf(resource));
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version },
    paths,
    components: { schemas: modelsOf(resources, '#/components/schemas/') },
  };
}

/**
 * The index of all documents. `hash` must change with a document's content: clients keep a document for as long as
 * the URL with its hash stays the same.
 */
export function openApiV3Index(
  groupVersions: readonly { group: string; version: string }[],
  hash: (groupVersion: { group: string; version: string }) => string,
): OpenApiV3Index {
  const paths: OpenApiV3Index['paths'] = {};
  for (const groupVersion of groupVersions) {
    const path = openApiV3Path(groupVersion);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${encodeURIComponent(hash(groupVersion))}` };
  }
  return { paths };
}
