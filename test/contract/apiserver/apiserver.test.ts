import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { admissionCases } from './cases/admission.ts';
import { definitionCases } from './cases/definitions.ts';
import { discoveryCases } from './cases/discovery.ts';
import { kindCases } from './cases/kinds.ts';
import { listCases, watchCases } from './cases/lists.ts';
import { numberCases } from './cases/numbers.ts';
import { objectCases } from './cases/objects.ts';
import { patchCases } from './cases/patches.ts';
import { scalingCases } from './cases/scaling.ts';
import { type Client, createClient, targetFromKubeconfig } from './client.ts';
import { startEmbedded } from './embedded.ts';
import { runCase } from './run.ts';

/** Another server to hold to the same contract, such as a real cluster: the path of its kubeconfig. */
const foreign = process.env.CONTRACT_KUBECONFIG;

let client: Client;
let stop = async (): Promise<void> => {};

beforeAll(async () => {
  if (foreign !== undefined) {
    client = createClient(targetFromKubeconfig(await readFile(foreign, 'utf8')));
    return;
  }
  const embedded = await startEmbedded();
  client = createClient(embedded.target);
  stop = embedded.stop;
});

afterAll(async () => {
  client.close();
  await stop();
});

const groups = {
  objects: objectCases,
  patches: patchCases,
  lists: listCases,
  watches: watchCases,
  kinds: kindCases,
  definitions: definitionCases,
  scaling: scalingCases,
  admission: admissionCases,
  discovery: discoveryCases,
  numbers: numberCases,
};

for (const [group, cases] of Object.entries(groups)) {
  describe(`a Kubernetes API server: ${group}`, () => {
    for (const [index, wanted] of cases.entries()) {
      it(
        wanted.name,
        () => runCase(client, wanted, `contract-${group}-${index}-${Date.now().toString(36)}`),
        40_000,
      );
    }
  });
}
