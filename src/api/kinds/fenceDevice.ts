/** FenceDevice: what can cut the power or the network of hosts, told through a program of the FenceAgentAPI. */
import {
  conditions,
  integer,
  mapList,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Static,
  stringMap,
  Type,
  text,
  time,
} from '../fields.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

/** Type of the Secrets in SYSTEM_NAMESPACE that hold parameters of fence devices: no other Secret is ever sent to a device. */
export const FENCE_SECRET_TYPE = 'vireo.dev/fence-device';

/** On a FenceDevice: any new text asks for a test now; `status.testedFor` repeats it when the test is over. */
export const TEST_REQUEST = 'vireo.dev/test-requested';

/** Parameters of the FenceAgentAPI that open a device to whoever reads them. */
const OPEN_SECRETS = ['password', 'passwd', 'community', 'snmp_priv_passwd', 'api_token', 'token_secret'];

const host = object('A host and what of the device belongs to it.', {
  name: objectName('Name of the Host.'),
  plug: Type.Optional(
    text('Outlet, port or machine within the device; absent where it has one only.', 64, { minLength: 1 }),
  ),
});

const spec = object(
  'How the device is told, and whose it is.',
  {
    agent: text('Program of the FenceAgentAPI, for example fence_ipmilan.', 66, {
      pattern: '^fence_[a-z0-9_]{1,60}$',
    }),
    parameters: Type.Optional(stringMap('Parameters as the manual page of the agent names them.', 32)),
    secretRef: Type.Optional(
      object(`More parameters, from a Secret of type ${FENCE_SECRET_TYPE} in namespace vireo-system.`, {
        name: objectName('Name of the Secret.'),
      }),
    ),
    hosts: mapList(host, ['name'], 64, 'Hosts that the device can cut off.'),
    timeoutSeconds: Type.Optional(
      integer(
        'One action takes at most this, of a lost host with more levels of devices at most 5 but in the last.',
        1,
        120,
        20,
      ),
    ),
    retries: Type.Optional(
      integer(
        'So often an action that has failed is tried again, within the time of one; not at all when absent.',
        0,
        5,
      ),
    ),
    testIntervalSeconds: Type.Optional(
      integer('From one test to the next; after a failed one a minute at most.', 10, 86_400, 600),
    ),
  },
  [
    { rule: 'size(self.hosts) > 0', message: 'hosts must name one host at least' },
    {
      rule: 'size(self.hosts) < 2 || self.hosts.all(h, has(h.plug) && self.hosts.exists_one(o, has(o.plug) && o.plug == h.plug))',
      message: 'several hosts of one device need a plug each, and no plug belongs to two',
    },
    {
      rule: `!has(self.parameters) || (${OPEN_SECRETS.map((name) => `!('${name}' in self.parameters)`).join(' && ')})`,
      message: 'passwords, communities and tokens belong into the Secret that secretRef names',
    },
  ],
);

const tested = object('What the device last said of a host.', {
  name: objectName('Name of the Host.'),
  state: oneOf(
    ['PoweredOn', 'PoweredOff', 'Connected', 'Disconnected', 'Unknown'],
    'Of its power, or of its way to the network where the device cuts only that.',
  ),
  reason: Type.Optional(text('Why it is Unknown, as a constant.', 128)),
  message: Type.Optional(text('The same for people, with what to do.', 1024)),
});

const status = object('What the last test found.', {
  observedGeneration,
  conditions,
  reach: Type.Optional(
    oneOf(
      ['Power', 'Fabric'],
      'Power: a host that is off executes nothing. Fabric: only its way to the network is cut, its guests run on.',
    ),
  ),
  hosts: Type.Optional(mapList(tested, ['name'], 64, 'What the device says of each host.')),
  lastTest: Type.Optional(time('When that was.')),
  testedFor: Type.Optional(text('The request, by annotation, that the last test has answered.', 256)),
});

export type FenceDeviceSpec = Static<typeof spec>;
export type FenceDeviceStatus = Static<typeof status>;
/** One row of `status.hosts`. */
export type TestedHost = Static<typeof tested>;
export type FenceDevice = KubeObject<FenceDeviceSpec, FenceDeviceStatus>;

export const FenceDevice = defineKind<FenceDevice>({
  kind: 'FenceDevice',
  plural: 'fencedevices',
  namespaced: false,
  shortNames: ['fence'],
  description: 'A device that can cut the power or the network of hosts.',
  spec,
  status,
  columns: [
    { name: 'Agent', type: 'string', jsonPath: '.spec.agent', description: 'Program it is told by.' },
    { name: 'Reach', type: 'string', jsonPath: '.status.reach', description: 'What it cuts.' },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].status",
      description: 'It answered for all its hosts.',
    },
    {
      name: 'Reason',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].reason",
      description: 'Why not.',
      priority: 1,
    },
    { name: 'Tested', type: 'date', jsonPath: '.status.lastTest', description: 'The last test.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
