import { storeConformance } from '../../test/conformance/store-conformance.ts';
import { MemoryStore } from './memory.ts';

storeConformance('MemoryStore', { open: () => new MemoryStore() });
