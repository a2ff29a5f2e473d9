/** One webhook of a configuration, as it is stored, and one call of it. */
import { parseWide } from '../../schema/json.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { createCompiler, type Expression } from './expressions.ts';
import { listOf } from './match.ts';

/** Calls a webhook over https; resolves to its answer as JSON, rejects for anything but 200. `ca` is PEM; absent: the system's. */
export type CallWebhook = (call: {
  url: string;
  ca: string | undefined;
  body: string;
  signal: AbortSignal;
}) => Promise<unknown>;

/** Where a webhook listens; a sentence where that cannot be told. */
export type WebhookTarget = { url: string; ca: string | undefined } | string;

/** A webhook ready to be called. */
export type Webhook = {
  name: string;
  target: WebhookTarget;
  rules: readonly unknown[];
  selectors: Record<string, unknown>;
  ignoresFailure: boolean;
  /** May be asked once more when others have changed the object since. */
  reinvoked: boolean;
  timeoutMs: number;
  conditions: readonly { name: string; expression: Expression }[];
};

const defaultTimeoutSeconds = 10;

/** The webhooks of a configuration, in their order. */
export function webhooksOf(configuration: KubeObject): Webhook[] {
  return listOf(configuration.webhooks)
    .filter(isRecord)
    .map((webhook) => ({
      name: String(webhook.name),
      target: targetOf(webhook.clientConfig),
      rules: listOf(webhook.rules),
      selectors: webhook,
      ignoresFailure: webhook.failurePolicy === 'Ignore',
      reinvoked: webhook.reinvocationPolicy === 'IfNeeded',
      timeoutMs:
        1000 * (typeof webhook.timeoutSeconds === 'number' ? webhook.timeoutSeconds : defaultTimeoutSeconds),
      conditions: conditionsOf(webhook.matchConditions),
    }));
}

function conditionsOf(conditions: unknown): Webhook['conditions'] {
  const list = listOf(conditions).filter(isRecord);
  if (list.length === 0) return [];
  const compile = createCompiler();
  return list.map(({ name, expression }) => ({
    name: String(name),
    expression: compile(String(expression)),
  }));
}

/** The target a clientConfig names. */
export function targetOf(config: unknown): WebhookTarget {
  if (!isRecord(config)) return 'it has no clientConfig';
  const { url, service, caBundle } = config;
  if (isRecord(service)) {
    const path = typeof service.path === 'string' ? service.path : '';
    return `service ${JSON.stringify(String(service.name))} not found: this server has no Services; set clientConfig.url to where it listens, such as https://127.0.0.1:9443${path}`;
  }
  if (typeof url !== 'string') return 'it has no URL';
  const ca =
    typeof caBundle === 'string' && caBundle !== ''
      ? Buffer.from(caBundle, 'base64').toString('utf8')
      : undefined;
  return { url, ca };
}

/** The answer of a webhook. */
export type Verdict = {
  allowed: boolean;
  message: string;
  code: number;
  reason: string;
  warnings: readonly string[];
  /** For the audit log. */
  annotations: { readonly [key: string]: string };
  /** A JSON patch, from mutating webhooks. */
  patch: unknown;
};

/** Reads an AdmissionReview; throws an Error for anything that is none, or that answers another question. */
export function readVerdict(review: unknown, uid: string): Verdict {
  const response = isRecord(review) ? review.response : undefined;
  if (!isRecord(response)) throw new Error('the answer is no AdmissionReview with a response');
  if (response.uid !== uid) throw new Error(`expected response.uid ${uid}, got ${String(response.uid)}`);
  const status = isRecord(response.status) ? response.status : {};
  const { message, code, reason } = status;
  return {
    allowed: response.allowed === true,
    message: typeof message === 'string' ? message : '',
    code: typeof code === 'number' && code >= 400 && code < 600 ? code : 400,
    reason: typeof reason === 'string' ? reason : '',
    warnings: listOf(response.warnings).filter((text) => typeof text === 'string'),
    annotations: textsIn(response.auditAnnotations),
    patch: patchOf(response),
  };
}

function textsIn(value: unknown): { [key: string]: string } {
  const texts = isRecord(value) ? Object.entries(value).filter(([, text]) => typeof text === 'string') : [];
  return Object.fromEntries(texts.map(([key, text]) => [key, String(text)]));
}

function patchOf({ patch, patchType }: Record<string, unknown>): unknown {
  if (patch === undefined || patch === null || patch === '') return undefined;
  if (patchType !== 'JSONPatch' || typeof patch !== 'string') {
    throw new Error('the patch must be a JSONPatch in base64');
  }
  return parseWide(Buffer.from(patch, 'base64').toString('utf8'));
}
