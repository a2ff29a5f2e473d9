/** What very many objects cost a server: memory when they are written, listed and read back, and how long it takes to start with them. */
import type { Target } from '../../contract/apiserver/client.ts';
import { openConnection } from './client.ts';
import { everywhere } from './machines.ts';
import type { Server } from './servers.ts';

/** As many as kubectl and client-go ask for at a time. */
const pageSize = 500;

/** Memory in bytes and processor time in seconds are undefined where the processes of the server are not known. */
export type Start = { seconds: number; cpuSeconds: number | undefined };

/** Starts the server anew; undefined when it cannot be started from here. It is up once it is ready and has answered a page whole. */
export async function startAnew(server: Server): Promise<Start | undefined> {
  const seconds = await server.restart(async (target) => {
    const { length } = (await readPage(target)).items;
    if (length !== pageSize) throw new Error(`the first page has ${length} objects, not ${pageSize}`);
  });
  return seconds === undefined ? undefined : { seconds, cpuSeconds: await server.cpu() };
}

/** Lists all in pages over one connection; throws when they are not `objects`. Returns how long it took, in seconds. */
export async function readAllPages(target: Target, objects: number): Promise<number> {
  const connection = await openConnection(target);
  const started = performance.now();
  let read = 0;
  let token = '';
  do {
    const next = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const { bytes } = await connection.must('GET', `${everywhere}?limit=${pageSize}${next}`);
    const page = JSON.parse(bytes.toString('utf8')) as Page;
    read += page.items.length;
    token = page.metadata.continue ?? '';
  } while (token !== '');
  connection.close();
  if (read !== objects) throw new Error(`the pages of a list had ${read} objects, not ${objects}`);
  return (performance.now() - started) / 1000;
}

type Page = { metadata: { continue?: string }; items: readonly unknown[] };

async function readPage(target: Target): Promise<Page> {
  const connection = await openConnection(target);
  const { bytes } = await connection.must('GET', `${everywhere}?limit=${pageSize}`).finally(connection.close);
  return JSON.parse(bytes.toString('utf8')) as Page;
}
