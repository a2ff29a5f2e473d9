/**
 * Who may ask for what: puts together authentication, authorization, the answers about both, and the controllers that keep
 * their objects.
 */
import type { Served } from '../catalog/served.ts';
import type { Context, WriteGuard } from '../registry/context.ts';
import { authenticateAccounts } from '../tokens/accounts.ts';
import { defaultIssuer } from '../tokens/claims.ts';
import { type IssuerDocuments, issuerDocuments } from '../tokens/discovery.ts';
import { furnishNamespaces } from '../tokens/namespaces.ts';
import { tokenRequests } from '../tokens/request.ts';
import { fillTokenSecrets } from '../tokens/secrets.ts';
import { createSigner } from '../tokens/signer.ts';
import { makeSigningKey, type SigningKey } from '../tokens/signingkey.ts';
import type { Upkeep } from '../upkeep/upkeep.ts';
import {
  type Authenticator,
  authenticateBearer,
  authenticateCertificate,
  firstOf,
  firstToken,
  type TokenAuthenticator,
} from './authenticate.ts';
import type { Authorizer } from './authorize.ts';
import { answerAccess, answerRules, answerSelfAccess } from './questions/access.ts';
import { answerTokenReview, answerWhoAmI } from './questions/identity.ts';
import { type Answer, type Answerer, createQuestions, type Questions } from './questions/questions.ts';
import { aggregateRoles } from './rbac/aggregate.ts';
import { createRbacAuthorizer } from './rbac/authorizer.ts';
import { createGrants } from './rbac/grants.ts';
import { createEscalationGuard } from './rbac/guard.ts';
import { installDefaultRoles } from './rbac/install.ts';
import { createSignerGuard } from './signers.ts';

/** How users are known beside their client certificates. */
export type AccessOptions = {
  /** Signs service-account tokens. Default: a new one, so that tokens end with the process. */
  signingKey?: SigningKey;
  /** The issuer of the tokens this server gives out, and the audience that means it. */
  issuer?: string;
  /** Further ways to know bearer tokens. */
  tokens?: readonly TokenAuthenticator[];
};

/** What the server uses of it. */
export type Access = {
  authenticate: Authenticator;
  authorize: Authorizer;
  issuer: IssuerDocuments;
  guard: WriteGuard;
  questions: Questions;
  upkeep: readonly Upkeep[];
};

/** Builds it and makes what every cluster has: default roles, and in each namespace an account and the authority's certificate. */
export async function createAccess(
  context: Context,
  rootCa: string,
  { signingKey, issuer = defaultIssuer, tokens = [] }: AccessOptions,
): Promise<Access> {
  const find = finder(context);
  const grants = createGrants(context.store);
  const authorize = createRbacAuthorizer(grants);
  const [mayGrant, maySign] = [createEscalationGuard(grants, authorize), createSignerGuard(authorize)];
  const key = signingKey ?? (await makeSigningKey());
  const signer = createSigner(key, context.clock);
  const tokenAuthenticator = firstToken([authenticateAccounts(context, signer, issuer), ...tokens]);
  const [secrets, accounts, maps] = [
    find('', 'secrets'),
    find('', 'serviceaccounts'),
    find('', 'configmaps'),
  ];
  const [, furnishing] = await Promise.all([
    installDefaultRoles(context),
    furnishNamespaces(context, { namespaces: find('', 'namespaces'), accounts, maps, rootCa }),
  ]);
  const review = (group: string, plural: string, answer: Answer): [string, Answerer] => [
    `${group}/${plural}`,
    { served: find(group, plural), answer },
  ];
  return {
    authenticate: firstOf([authenticateCertificate, authenticateBearer(tokenAuthenticator, [issuer])]),
    authorize,
    issuer: issuerDocuments(issuer, key),
    guard: async (write) => {
      await mayGrant(write);
      await maySign(write);
    },
    questions: createQuestions(
      context,
      new Map([
        ['/serviceaccounts/token', tokenRequests(context, signer, issuer)],
        review('authentication.k8s.io', 'selfsubjectreviews', answerWhoAmI),
        review('authentication.k8s.io', 'tokenreviews', answerTokenReview(tokenAuthenticator, [issuer])),
        review('authorization.k8s.io', 'localsubjectaccessreviews', answerAccess(authorize)),
        review('authorization.k8s.io', 'selfsubjectaccessreviews', answerSelfAccess(authorize)),
        review('authorization.k8s.io', 'selfsubjectrulesreviews', answerRules(grants)),
        review('authorization.k8s.io', 'subjectaccessreviews', answerAccess(authorize)),
      ]),
    ),
    upkeep: [
      furnishing,
      fillTokenSecrets(context, { secrets, accounts, signer, rootCa }),
      aggregateRoles(context, find('rbac.authorization.k8s.io', 'clusterroles')),
      { close: async () => grants.close() },
    ],
  };
}

function finder({ catalog }: Context): (group: string, plural: string) => Served {
  return (group, plural) => {
    const served = catalog.find(group, 'v1', plural);
    if (served === undefined) throw new Error(`the built-in resource ${plural} is missing`);
    return served;
  };
}
