/**
 * Credentials from a kubeconfig's exec plug-in or auth provider. @kubernetes/client-node knows how; it is large and slow to
 * load, so it comes in only for the few files that need it.
 */
import type { RequestOptions } from 'node:https';

function pem(value: RequestOptions['cert']): string | undefined {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value.toString() : undefined;
}

/** A source of credentials; what a plug-in gave is kept until it expires. */
export function pluginCredentials(
  kubeconfig: string,
  context: string,
): () => Promise<{ authorization?: string; certificate?: string; key?: string }> {
  const loading = async () => {
    const { KubeConfig } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromString(kubeconfig);
    config.setCurrentContext(context);
    return config;
  };
  let loaded: ReturnType<typeof loading> | undefined;
  return async () => {
    loaded ??= loading();
    const options: RequestOptions = {};
    await (await loaded).applyToHTTPSOptions(options);
    const headers = new Headers(options.headers as Record<string, string> | undefined);
    const authorization = headers.get('authorization');
    const certificate = pem(options.cert);
    const key = pem(options.key as RequestOptions['cert']);
    return {
      ...(authorization === null ? {} : { authorization }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(key === undefined ? {} : { key }),
    };
  };
}
