/** `vireo join`: makes this machine a host of a cluster, once, and runs its agent; afterwards the same without a token. */
import { Host } from '../../api/kinds/host.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { createClient } from '../../client/client.ts';
import { ApiError } from '../../client/contract.ts';
import { type Kubeconfig, loadKubeconfig } from '../../client/kubeconfig.ts';
import { defaultHostName } from '../hostfacts.ts';
import { hostKubeconfig, markJoined, readJoined, writeHostKubeconfig } from '../joined.ts';
import { isRoot } from '../layout.ts';
import type { Lifetime } from '../lifetime.ts';
import { type AgentOptions, runAgent } from './agent.ts';
import { authorityHash, fetchAuthority } from './join/authority.ts';
import { forgetRequest, requestCredentials } from './join/request.ts';
import { readToken } from './join/token.ts';

export type JoinOptions = Omit<AgentOptions, 'kubeconfig' | 'simulate' | 'simulationFile'> & {
  /** `https://HOST:PORT` */
  server?: string;
  token?: string;
  tokenFile?: string;
  caHash?: string;
  caFile?: string;
  /** False: only join; a service manager runs it. */
  agent: boolean;
};

const CONNECT_MS = 10_000;
/** How long a server that does not answer is asked again. */
const REACH_MS = 60_000;

/** Runs the agent until the lifetime ends. Throws ReasonedError when this machine may not join, or was not told how. */
export async function runJoin(options: JoinOptions, lifetime: Lifetime, world: World): Promise<void> {
  const host = await joinOnce(options, lifetime.signal, world);
  if (!options.agent) return;
  const { stateDirectory, runDirectory, cgroupRoot, configFile, witness = false } = options;
  if (witness && !isRoot())
    throw new Error('run the witness as root: its keeper must not be ended by others');
  const places = {
    stateDirectory,
    ...(runDirectory === undefined ? {} : { runDirectory }),
    ...(cgroupRoot === undefined ? {} : { cgroupRoot }),
    ...(configFile === undefined ? {} : { configFile }),
  };
  const kubeconfig = hostKubeconfig(stateDirectory);
  await runAgent({ ...places, host, kubeconfig, witness, simulate: 0 }, lifetime, world);
}

/** Resolves with the name of the Host. Every step may be repeated; the mark that it has joined is written last. */
export async function joinOnce(
  options: Omit<JoinOptions, 'agent'>,
  signal: AbortSignal,
  world: World,
): Promise<string> {
  const { stateDirectory } = options;
  const { files, clock } = world;
  const joined = await readJoined(files, stateDirectory);
  const token = await tokenOf(options, world);
  if (joined !== undefined && (token === undefined || (await isAccepted(options, joined.host, world)))) {
    checkSame(options, joined);
    return joined.host;
  }
  if (token === undefined || options.server === undefined) throw howToJoin();
  const host = options.host ?? defaultHostName();
  const { server } = options;
  const { secret } = readToken(token);
  await files.makeDirectory(stateDirectory, { mode: 0o711 });
  const ask = async () => {
    const authority = await authorityOf(options, server, world);
    const kubeconfig = bearer(server, authority, token);
    const client = createClient({ kubeconfig, fieldManager: 'vireo-join', world });
    const deps = { client, clock, files, stateDirectory };
    const own = requestCredentials(deps, { host, secret }, signal);
    return { authority, token: await own.finally(() => client.close()) };
  };
  const credentials = await whileUnreachable(ask, signal, world);
  await writeHostKubeconfig(files, stateDirectory, { host, server, ...credentials });
  await markJoined(files, stateDirectory, { host, server });
  await forgetRequest({ files, stateDirectory });
  world.log.info('this machine has joined', { host, server });
  return host;
}

/** A network that is not up yet is waited for; asking may be repeated. */
async function whileUnreachable<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
  { clock, log }: Pick<World, 'clock' | 'log'>,
): Promise<T> {
  for (const deadline = clock.monotonic() + REACH_MS; ; await clock.sleep(1_000, signal)) {
    try {
      return await work();
    } catch (error) {
      const isUnreachable =
        (error instanceof ReasonedError && error.reason === 'Unreachable') ||
        (error instanceof ApiError && error.code === 0);
      if (!isUnreachable || clock.monotonic() > deadline) throw error;
      log.warn('the API server does not answer yet', { message: error.message });
    }
  }
}

async function tokenOf(
  { token, tokenFile }: Pick<JoinOptions, 'token' | 'tokenFile'>,
  { files }: World,
): Promise<string | undefined> {
  if (tokenFile === undefined) return token;
  const text = await files.readText(tokenFile);
  if (text === undefined) throw new Error(`${tokenFile}: there is no such file`);
  return text.trim();
}

function howToJoin(): ReasonedError {
  return new ReasonedError(
    'NotJoined',
    'this machine has not joined a cluster: run the command that `vireo token create` prints on the first machine',
    { stalled: true },
  );
}

/** A machine is one host of one cluster. */
function checkSame(
  { server, host }: Pick<JoinOptions, 'server' | 'host'>,
  joined: { host: string; server: string },
): void {
  const isOther = (server ?? joined.server) !== joined.server || (host ?? joined.host) !== joined.host;
  if (!isOther) return;
  throw new ReasonedError(
    'AlreadyJoined',
    `this machine is host ${joined.host} of ${joined.server}: delete that Host first, or name another --state-dir`,
    { stalled: true },
  );
}

/** False once the Host was deleted, and the token with it. Where nobody answers, what is there counts. */
async function isAccepted(
  { stateDirectory }: Pick<JoinOptions, 'stateDirectory'>,
  host: string,
  world: World,
): Promise<boolean> {
  const path = hostKubeconfig(stateDirectory);
  const kubeconfig = await loadKubeconfig({ path, files: world.files });
  const client = createClient({ kubeconfig, fieldManager: 'vireo-join', world });
  try {
    await client.find(Host, { name: host });
    return true;
  } catch (error) {
    return !(error instanceof ApiError && error.code === 401);
  } finally {
    await client.close();
  }
}

async function authorityOf(
  { caHash, caFile }: Pick<JoinOptions, 'caHash' | 'caFile'>,
  server: string,
  { files }: World,
): Promise<string> {
  if (caFile === undefined) {
    if (caHash === undefined || !/^sha256:[0-9a-f]{64}$/.test(caHash))
      throw new ReasonedError(
        'NoCaHash',
        'name the server by --ca-hash sha256:HEX, as `vireo token create` prints it',
        {
          stalled: true,
        },
      );
    return fetchAuthority(server, caHash, CONNECT_MS);
  }
  const authority = await files.readText(caFile);
  if (authority === undefined) throw new Error(`${caFile}: there is no such file`);
  if (caHash !== undefined && authorityHash(authority) !== caHash)
    throw new ReasonedError('WrongAuthority', `${caFile} is not the authority that --ca-hash stands for`, {
      stalled: true,
    });
  return authority;
}

function bearer(server: string, authority: string, token: string): Kubeconfig {
  if (!server.startsWith('https://'))
    throw new ReasonedError('InvalidServer', 'write the server as https://HOST:PORT', { stalled: true });
  return {
    server,
    namespace: 'default',
    insecure: false,
    authority,
    credentials: async () => ({ authorization: `Bearer ${token}` }),
  };
}
