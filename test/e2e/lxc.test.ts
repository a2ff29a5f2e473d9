/** Real system containers: the contract of all hypervisors, and the ways a container can end, hide or grow beyond its limits. */
import { describeHypervisor } from '../contract/hypervisor/suite.ts';
import { containerLab } from './lxc/lab.ts';

describeHypervisor('lxc', () => containerLab(), { patienceMs: 10_000 });
