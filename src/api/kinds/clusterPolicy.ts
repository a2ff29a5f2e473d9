/** ClusterPolicy: switches high availability on, and says by which times; the manager stores the voters in it. */
import {
  conditions,
  integer,
  mapList,
  object,
  objectName,
  observedGeneration,
  type Static,
  Type,
} from '../fields.ts';
import { clusterPolicyFields } from '../haPolicy.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

/** The one name a ClusterPolicy may have. */
export const CLUSTER_POLICY = 'default';

const spec = object('How high availability works in this cluster.', clusterPolicyFields);

const voters = (description: string) =>
  mapList(
    object('A host that counts.', {
      name: objectName('Name of the Host.'),
      votes: integer('Its votes.', 1, 100),
    }),
    ['name'],
    64,
    description,
  );

const status = object('What it makes of the cluster.', {
  observedGeneration,
  conditions,
  votes: Type.Optional(
    object('Who counts when hosts are judged. Changes by one host at a time.', {
      version: Type.Integer({ description: 'Counts changes.', format: 'int64', minimum: 1 }),
      voters: voters('Hosts with votes: as their spec.votes say, and up to seven in all that say nothing.'),
      former: Type.Optional(
        voters(
          'Those of the version before, until every host counts by the new one: majorities hold under both.',
        ),
      ),
    }),
  ),
});

export type ClusterPolicySpec = Static<typeof spec>;
export type ClusterPolicyStatus = Static<typeof status>;
export type ClusterPolicy = KubeObject<ClusterPolicySpec, ClusterPolicyStatus>;

export const ClusterPolicy = defineKind<ClusterPolicy>({
  kind: 'ClusterPolicy',
  plural: 'clusterpolicies',
  namespaced: false,
  shortNames: ['vpolicy'],
  description: 'Switches high availability on while it exists, and says how it works. Its name is default.',
  spec,
  status,
  rules: [
    {
      rule: `self.metadata.name == '${CLUSTER_POLICY}'`,
      message: `there is one ClusterPolicy, and its name is ${CLUSTER_POLICY}`,
    },
  ],
  columns: [
    {
      name: 'Ready',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].status",
      description: 'Hosts are watched and can be fenced.',
    },
    {
      name: 'Reason',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].reason",
      description: 'Why not.',
    },
    {
      name: 'Paused',
      type: 'string',
      jsonPath: '.spec.haPaused',
      description: 'Nothing is fenced or moved.',
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
