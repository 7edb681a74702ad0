// A very short stress run (npm run stress) on real DAX.
import { expect, test } from 'vitest';
import { ext4 } from '../helpers/guest.ts';
import { stress, summaryOf } from '../helpers/stress.ts';

test('threads that share kinds on DAX find every byte where it belongs and leave an empty kind', async () => {
	const args = [
		'--seconds',
		6,
		'--workers',
		2,
		'--size',
		'32M',
		'--directory',
		ext4,
		'--require-dax',
		'--patience',
		200,
	];
	const { status, stdout, stderr } = await stress(...args);
	expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
	const { kinds, done, checked } = summaryOf(stdout);
	expect(kinds).toEqual(['default', 'conservative', 'fixed'].map((sort) => `${sort} in ${ext4} (DAX)`));
	expect(done).toBeGreaterThan(100);
	expect(checked).toBeGreaterThan(100);
});
