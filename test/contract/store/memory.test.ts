import { createMemoryStore } from '../../../src/store/memory.ts';
import { describeStore } from './suite.ts';

describeStore('the store in memory', async () => createMemoryStore());
