// `daxkind memmap verify` on this machine. test/vm/memmap-loops.test.ts runs it in a guest with emulated persistent
// memory.
import { expect, test } from 'vitest';
import { daxkindWith } from '../helpers/cli.ts';

const verify = (...args: string[]) => daxkindWith({ input: '' }, 'memmap', ...args);

test('what was not booted with: the answer, what to do, and the link with what was read', () => {
	const { status, stdout, stderr } = verify('verify', 'memmap=16M!65535G');
	expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
	const [answer, todo, empty, link, evidence] = stdout.split('\n');
	expect(answer).toBe("Not ready: memmap=16M!65535G is not on the kernel's command line");
	expect(todo).toBe("Fix:  daxkind memmap apply 'memmap=16M!65535G'");
	expect(empty).toBe('');
	expect(link).toBe("  ✗ command line  memmap=16M!65535G is not on the kernel's command line");
	expect(evidence).toMatch(/^ {18}.*\(\/proc\/cmdline\)$/);
});

test.each([
	['verify', '--json', 'memmap=16M!65535G', 'memmap=32M!65536G'],
	['--json', 'verify', 'memmap=16M!65535G memmap=32M!65536G'],
])('as JSON: %s %s', (...args) => {
	const { status, stdout } = verify(...args);
	expect(status).toBe(1);
	expect(JSON.parse(stdout)).toMatchObject({
		ok: false,
		argument: 'memmap=16M!65535G memmap=32M!65536G',
		reason: "memmap=16M!65535G is not on the kernel's command line",
		checks: [
			{ link: 'command line', entry: '16M!65535G', verdict: 'broken' },
			{ link: 'command line', entry: '32M!65536G', verdict: 'broken' },
		],
		devices: [{ entry: '16M!65535G', size: 2 ** 24, device: null, dax: null, format: [] }, { entry: '32M!65536G' }],
	});
});

test.each(['memmap=4G', 'quiet', ''])('%j is no plan: status 2, one line', (argument) => {
	const { status, stdout, stderr } = verify('verify', argument);
	expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
	expect(stderr).toMatch(/^daxkind memmap verify: .*memmap=SIZE!START.*\n$/);
});
