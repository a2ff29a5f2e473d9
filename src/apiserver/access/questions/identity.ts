/** Answers of authentication.k8s.io: who am I, and whom does this token stand for? */
import { isRecord, type KubeObject } from '../../object.ts';
import { badRequest } from '../../status.ts';
import type { TokenAuthenticator } from '../authenticate.ts';
import type { User } from '../user.ts';
import type { Answer } from './questions.ts';

function userInfo({ name, uid, groups, extra }: User): Record<string, unknown> {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups,
    ...(extra === undefined ? {} : { extra }),
  };
}

/** SelfSubjectReview: what `kubectl auth whoami` prints. */
export const answerWhoAmI: Answer = ({ user, object }): KubeObject => ({
  ...object,
  status: { userInfo: userInfo(user) },
});

/** TokenReview. The token is not repeated in the answer: reviews end up in logs. */
export function answerTokenReview(authenticate: TokenAuthenticator, ownAudiences: readonly string[]): Answer {
  return async ({ object }) => {
    const spec = isRecord(object.spec) ? object.spec : {};
    if (typeof spec.token !== 'string' || spec.token === '')
      throw badRequest('token is required for TokenReview in authentication');
    const asked = Array.isArray(spec.audiences) ? spec.audiences.map(String) : [];
    const audiences = asked.length === 0 ? ownAudiences : asked;
    const found = await authenticate(spec.token, audiences);
    const status =
      found === undefined || found === 'rejected'
        ? { user: {}, error: 'the token is unknown, expired, revoked or not meant for these audiences' }
        : { authenticated: true, user: userInfo(found.user), audiences: found.audiences };
    return { ...object, spec: asked.length === 0 ? {} : { audiences: asked }, status };
  };
}
