/** What random requests find on a server beside its own kinds: two namespaces and a custom resource. */
import { createClient, type Target } from '../contract/apiserver/client.ts';
import { widgetDefinition } from '../contract/apiserver/widgets.ts';

/** Makes them and waits until they are served. */
export async function definitionForSoak(target: Target): Promise<void> {
  const client = createClient(target);
  for (const name of ['soak-a', 'soak-b']) {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    await client.send('POST', '/api/v1/namespaces', { body });
  }
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await client.send('POST', definitions, { body: widgetDefinition('soak.dev') });
  const deadline = Date.now() + 10_000;
  while ((await client.send('GET', '/apis/soak.dev/v1/widgets')).code !== 200) {
    if (Date.now() > deadline) throw new Error('the definition is not served');
  }
  client.close();
}
