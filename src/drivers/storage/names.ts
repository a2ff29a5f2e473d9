/** Names of volumes and images become file names: nothing that could leave its directory passes here. */
import { ReasonedError } from '../../base/outcome.ts';

const safeName = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/;

/** The name itself; throws ReasonedError NameInvalid for anything but lower-case letters, digits, dots, dashes and underscores. */
export function checkedName(name: string): string {
  if (!safeName.test(name) || name.includes('..')) {
    throw new ReasonedError('NameInvalid', `${JSON.stringify(name)} cannot name a volume or an image`, {
      stalled: true,
    });
  }
  return name;
}
