/** Admission: what users write passes the bound policies, after it has been found valid and before it is stored. */
import type { Context } from '../registry/context.ts';
import { createPolicyCheck } from './policies.ts';
import type { AdmissionRequest } from './request.ts';

/** The gate every write of a user goes through. */
export type Admission = {
  /** Throws when the write may not pass. */
  validate(request: AdmissionRequest): Promise<void>;
};

/** Policies and webhooks are never judged by themselves: a wrong one could not be removed any more. */
const exempt = 'admissionregistration.k8s.io';

/** Makes the gate. */
export function createAdmission(context: Context): Admission {
  const checkPolicies = createPolicyCheck(context);
  return {
    validate: async (request) => {
      if (request.served.resource.group === exempt) return;
      checkPolicies(request);
    },
  };
}
