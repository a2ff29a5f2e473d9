/** What a URL is about: an API resource or a plain path. Decided by the form of the path alone, as kube-apiserver does. */

/** A request on a resource, a collection, or one object of it. */
export type ResourceTarget = {
  type: 'resource';
  path: string;
  group: string;
  version: string;
  /** The plural name. */
  resource: string;
  namespace?: string;
  name?: string;
  subresource?: string;
  /** The old form of a watch, `/api/v1/watch/...`. */
  watch?: true;
};

/** Everything else: discovery, health, version, OpenAPI. */
export type PathTarget = { type: 'path'; path: string };

/** What a request is about. */
export type RequestTarget = ResourceTarget | PathTarget;

/** Namespaces have these subresources; any other third part under a namespace is a resource in it. */
const namespaceSubresources = new Set(['status', 'finalize']);

/** Reads a path; undefined when it is no well-formed one (bad escape, empty or too many parts). */
export function targetOf(path: string): RequestTarget | undefined {
  const parts = path.replace(/^\//, '').replace(/\/$/, '').split('/');
  const rest = parts[0] === 'api' ? parts.slice(2) : parts[0] === 'apis' ? parts.slice(3) : [];
  if (rest.length === 0) return { type: 'path', path };
  const decoded = decodeParts(rest);
  if (decoded === undefined) return undefined;
  const [group, version] = parts[0] === 'api' ? ['', parts[1] ?? ''] : [parts[1] ?? '', parts[2] ?? ''];
  return resourceTarget(path, group, version, decoded);
}

function decodeParts(parts: readonly string[]): string[] | undefined {
  try {
    const decoded = parts.map(decodeURIComponent);
    return decoded.includes('') ? undefined : decoded;
  } catch {
    return undefined;
  }
}

function resourceTarget(
  path: string,
  group: string,
  version: string,
  parts: readonly string[],
): ResourceTarget | undefined {
  const base = { type: 'resource', path, group, version } as const;
  const [first = '', second, third, ...further] = parts;
  if (first === 'watch' && second !== undefined) {
    const target = resourceTarget(path, group, version, parts.slice(1));
    return target === undefined ? undefined : { ...target, watch: true };
  }
  if (first === 'namespaces' && third !== undefined && second !== undefined) {
    if (further.length === 0 && namespaceSubresources.has(third)) {
      return { ...base, resource: first, name: second, subresource: third };
    }
    return withObject({ ...base, resource: third, namespace: second }, further);
  }
  return withObject(
    { ...base, resource: first },
    [second, third, ...further].filter((part) => part !== undefined),
  );
}

function withObject(target: ResourceTarget, parts: readonly string[]): ResourceTarget | undefined {
  const [name, subresource, ...further] = parts;
  if (further.length > 0) return undefined;
  return {
    ...target,
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}
