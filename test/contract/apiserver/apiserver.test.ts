import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { callWebhook } from '../../../src/main/world/webhook.ts';
import { accessCases } from './cases/access.ts';
import { admissionCases } from './cases/admission.ts';
import { certificateCases } from './cases/certificates.ts';
import { definitionCases } from './cases/definitions.ts';
import { discoveryCases } from './cases/discovery.ts';
import { kindCases } from './cases/kinds.ts';
import { listCases, watchCases } from './cases/lists.ts';
import { numberCases } from './cases/numbers.ts';
import { objectCases } from './cases/objects.ts';
import { patchCases } from './cases/patches.ts';
import { refusalCases } from './cases/refusals.ts';
import { ruleCases } from './cases/rules.ts';
import { scalingCases } from './cases/scaling.ts';
import { tokenCases } from './cases/tokens.ts';
import { webhookCases } from './cases/webhooks.ts';
import { createClient, type Target, targetFromKubeconfig } from './client.ts';
import { startEmbedded } from './embedded.ts';
import { type Clients, runCase } from './run.ts';
import { startWebhooks } from './webhooks.ts';

/** Another server to hold to the same contract, such as a real cluster: the path of its kubeconfig. */
const foreign = process.env.CONTRACT_KUBECONFIG;

let clients: Clients;
let hooks: Clients['hooks'];
let stop = async (): Promise<void> => {};

beforeAll(async () => {
  hooks = await startWebhooks();
  if (foreign !== undefined) {
    clients = { ...clientsOf(targetFromKubeconfig(await readFile(foreign, 'utf8'))), foreign: true };
    return;
  }
  const embedded = await startEmbedded({ callWebhook });
  clients = clientsOf(embedded.target);
  stop = embedded.stop;
});

afterAll(async () => {
  clients.admin.close();
  clients.stranger.close();
  await stop();
  await hooks.close();
});

function clientsOf(target: Target): Clients {
  const { url, ca } = target;
  return { admin: createClient(target), stranger: createClient({ url, ca }), foreign: false, hooks };
}

const groups = {
  objects: objectCases,
  patches: patchCases,
  lists: listCases,
  watches: watchCases,
  kinds: kindCases,
  definitions: definitionCases,
  refusals: refusalCases,
  rules: ruleCases,
  scaling: scalingCases,
  admission: admissionCases,
  webhooks: webhookCases,
  discovery: discoveryCases,
  numbers: numberCases,
  access: accessCases,
  tokens: tokenCases,
  certificates: certificateCases,
};

for (const [group, cases] of Object.entries(groups)) {
  describe(`a Kubernetes API server: ${group}`, () => {
    for (const [index, wanted] of cases.entries()) {
      it(
        wanted.name,
        () => runCase(clients, wanted, `contract-${group}-${index}-${Date.now().toString(36)}`),
        40_000,
      );
    }
  });
}
