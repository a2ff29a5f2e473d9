/** The QEMU driver with a real QEMU: the contract of all hypervisors, and what only this one can do. */

import { createQemuLab } from '../contract/hypervisor/qemuLab.ts';
import { describeHypervisor } from '../contract/hypervisor/suite.ts';

describeHypervisor('QEMU', () => createQemuLab(), { patienceMs: 15_000 });
