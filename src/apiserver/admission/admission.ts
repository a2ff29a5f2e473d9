/** Admission: what users write may be changed by webhooks, and passes the bound policies and webhooks once it is valid. */
import type { KubeObject } from '../object.ts';
import type { Context } from '../registry/context.ts';
import { createPolicyCheck } from './policies.ts';
import type { AdmissionRequest } from './request.ts';
import type { CallWebhook } from './webhook.ts';
import { createWebhooks } from './webhooks.ts';

/** The gate every write of a user goes through. */
export type Admission = {
  /** The object as mutating webhooks want it. At deletions there is none to change, and they only may refuse. */
  mutate(request: AdmissionRequest): Promise<KubeObject | undefined>;
  /** Throws when the write may not pass. */
  validate(request: AdmissionRequest): Promise<void>;
};

/** Policies and webhooks are never judged by themselves: a wrong one could not be removed any more. */
const exempt = 'admissionregistration.k8s.io';

/** Makes the gate. */
export function createAdmission(context: Context, call: CallWebhook): Admission {
  const checkPolicies = createPolicyCheck(context);
  const webhooks = createWebhooks(context, call);
  const isExempt = ({ served }: AdmissionRequest) => served.resource.group === exempt;
  return {
    mutate: async (request) => (isExempt(request) ? request.object : webhooks.mutate(request)),
    validate: async (request) => {
      if (isExempt(request)) return;
      await checkPolicies(request);
      await webhooks.validate(request);
    },
  };
}
