// The time limit of child processes.
import { expect, test } from 'vitest';
import { leftMs, outcomeOf } from './children.ts';

test('a child has the time that its test has left, and is killed when that is over', { timeout: 60_000 }, () => {
	expect(leftMs()).toBeGreaterThan(50_000);
	expect(leftMs()).toBeLessThan(60_000);
	expect(outcomeOf('sleep', ['60'], { timeout: 100 })).toEqual({ status: 'SIGKILL', stdout: '', stderr: '' });
});

test('what cleans up after a test has time, too', { timeout: 2000 }, () => {
	expect(leftMs()).toBe(10_000);
});
