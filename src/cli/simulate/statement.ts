/** What an agent of the model says of its host, in the API: one write at a time, so that an older word never overtakes a newer one. */
import type { Life } from '../../cluster/ha/model.ts';
import type { AgentMemory } from './agent.ts';
import type { Api, Caller, HostStatement } from './api.ts';
import type { SimHost } from './host.ts';

export type Statement = {
  /** There is news: said now, or after the write that is under way. */
  changed(): void;
  say(): void;
  isPending(): boolean;
};

export type StatementOptions = {
  host: SimHost;
  api: Api;
  caller: Caller;
  after(ms: number, run: () => void): void;
  life(): Life;
  memory: AgentMemory;
};

const AGAIN_MS = 1_000;
const LIMIT_MS = 10_000;

export function createStatement({ host, api, caller, after, life, memory }: StatementOptions): Statement {
  let isSaying = false;
  let hasNews = true;

  const say = (): void => {
    if (isSaying || !hasNews || host.keeper() === undefined) return;
    isSaying = true;
    hasNews = false;
    const statement: HostStatement = {
      life: life(),
      guests: reportsOf(host, memory),
      ready: true,
      incarnation: host.seen,
      ...(memory.shutdown === undefined ? {} : { shutdown: memory.shutdown }),
    };
    api.call(
      caller,
      LIMIT_MS,
      ({ statements }) => {
        const known = statements.get(host.name)?.value.life;
        // A word of an earlier life that comes late is nobody's word any more.
        const isLate = known?.bootID === statement.life.bootID && known.term > statement.life.term;
        if (!isLate) statements.set(host.name, { version: api.version(), value: statement });
      },
      (answer) => {
        isSaying = false;
        if (!answer.ok) {
          hasNews = true;
          after(AGAIN_MS, say);
        } else if (hasNews) say();
      },
    );
  };

  return {
    changed: () => {
      hasNews = true;
      say();
    },
    say,
    isPending: () => isSaying || hasNews,
  };
}

function reportsOf(host: SimHost, { reports }: AgentMemory): HostStatement['guests'] {
  return new Map(
    [...reports].map(([id, { uid: begun, ...report }]) => {
      // What is about to be started is said before anything of it is there.
      const uid = host.processes.get(id)?.uid ?? (report.state === 'Preparing' ? begun : undefined);
      return [id, uid === undefined ? report : { ...report, uid }];
    }),
  );
}
