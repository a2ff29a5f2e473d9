/** Answers what is created only to be answered: reviews, and requests for tokens. Nothing of it is stored. */

import { printJson } from '../../../schema/json.ts';
import type { Served } from '../../catalog/served.ts';
import { cloneJson, type KubeObject } from '../../object.ts';
import type { Context } from '../../registry/context.ts';
import { readObject, reportFaults } from '../../registry/incoming.ts';
import { badRequest, noSuchResource } from '../../status.ts';
import { formOf, sendObject } from '../../verbs/answer.ts';
import { writeOptions } from '../../verbs/options.ts';
import { negotiate } from '../../wire/accept.ts';
import { decodeBody } from '../../wire/decode.ts';
import type { Exchange } from '../../wire/exchange.ts';
import type { RequestTarget, ResourceTarget } from '../../wire/target.ts';
import type { User } from '../user.ts';

/** A question with who asks it. */
export type Question = { user: User; target: ResourceTarget; object: KubeObject; dryRun: boolean };

/** The object with its answer; throws ApiError. */
export type Answer = (question: Question) => KubeObject | Promise<KubeObject>;

/** What a question is read as, and who answers it. */
export type Answerer = { served: Served; answer: Answer };

/** Answers the request if it is a question; false when it is none. Throws ApiError. */
export type Questions = (exchange: Exchange, target: RequestTarget, user: User) => Promise<boolean>;

/** `answerers` by `group/resource` or `group/resource/subresource`. */
export function createQuestions(context: Context, answerers: ReadonlyMap<string, Answerer>): Questions {
  return async (exchange, target, user) => {
    if (target.type !== 'resource' || exchange.method !== 'POST') return false;
    const { group, resource, subresource, version } = target;
    const found = answerers.get(
      [group, resource, ...(subresource === undefined ? [] : [subresource])].join('/'),
    );
    if (found === undefined) return false;
    const isNamespaced = found.served.resource.namespaced;
    if (version !== 'v1' || (target.namespace === undefined) === isNamespaced) throw noSuchResource();
    if (subresource === undefined && target.name !== undefined) throw noSuchResource();
    const form = formOf(negotiate(exchange.header('accept')), exchange.query, context.clock.now());
    const options = writeOptions(exchange, 'CreateOptions');
    const decoded = await decodeBody(await exchange.body(), exchange.header('content-type'));
    const { object, faults } = readObject(found.served, decoded);
    reportFaults(faults, found.served, options);
    if (object.metadata.namespace !== undefined && object.metadata.namespace !== target.namespace) {
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    }
    const answered = await found.answer({ user, target, object: cloneJson(object), dryRun: options.dryRun });
    const wire = () => Buffer.from(printJson(answered));
    await sendObject(exchange, 201, found.served, { object: answered, wire }, form);
    return true;
  };
}
