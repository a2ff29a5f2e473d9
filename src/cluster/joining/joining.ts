/** Adds to a manager what lets machines join and agents know each other. */
import { SIGNERS } from '../../api/cluster.ts';
import { CertificateSigningRequest } from '../../api/core.ts';
import type { Clock } from '../../base/clock.ts';
import type { Manager } from '../../runtime/contract.ts';
import { agentAuthority } from './authority.ts';
import { certificateController } from './certificates.ts';
import { joinController } from './join.ts';

/** Both kinds of requests are CertificateSigningRequests, told apart by their signer. */
export function addJoining(manager: Manager, clock: Clock): void {
  const requestsTo = (signer: string) =>
    manager.informers.informer(CertificateSigningRequest, { fieldSelector: `spec.signerName=${signer}` });
  manager.add(joinController({ requests: requestsTo(SIGNERS.join), clock }));
  manager.add(
    certificateController({
      requests: requestsTo(SIGNERS.agent),
      clock,
      authority: (signal) => agentAuthority(manager.client, clock, signal),
    }),
  );
}
