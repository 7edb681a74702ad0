// Keyv's own published test suite, all of it, on KeyvPmem.
import suite, { keyvIteratorTests } from '@keyv/test-suite';
import { PmemCache } from 'daxkind/cache';
import { KeyvPmem } from 'daxkind/keyv';
import { Keyv } from 'keyv';
import * as vitest from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';

const directory = testDirectory();
const cache = PmemCache.create(directory, { maxSize: 16 * MIB });
vitest.afterAll(() => cache.close());

const store = () => new KeyvPmem(cache);
const single = new KeyvPmem(cache);

vitest.describe('a store for each Keyv, over one cache', () => {
	suite(vitest, Keyv, store);
	keyvIteratorTests(vitest, Keyv, store);
});

vitest.describe('one store for all', () => {
	keyvIteratorTests(vitest, Keyv, () => single);
});
