// The threads of tests: each task has its own answer.
import { expect, test } from 'vitest';
import { Thread } from './thread.ts';

test('the answer of a task is not that of another, whatever runs beside it', async () => {
	const thread = await Thread.start();
	thread.start(() => 'nobody waits for it', undefined);
	const slow = thread.run(() => new Promise((resolve) => setTimeout(resolve, 50, 'slow')), undefined);
	const fast = thread.run(() => 'fast', undefined);
	const failed = thread.run(() => {
		throw new RangeError('failed');
	}, undefined);
	await expect(failed).rejects.toMatchObject({ name: 'RangeError', message: 'failed' });
	expect([await slow, await fast]).toEqual(['slow', 'fast']);
});

test('a thread that ends before its task is an error', async () => {
	const thread = await Thread.start();
	await expect(thread.run(() => process.exit(3), undefined)).rejects.toThrow('The thread has ended with status 3');
});
