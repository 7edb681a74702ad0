// memkind_error_message and the error codes. Each failure is an Error. Its code, name and message say what happened, to
// what, and in which call.
import { writeFileSync } from 'node:fs';
import { type Block, minPmemSize, OutOfMemoryError, PmemKind, type PmemKindOptions } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { thrown } from '../../helpers/thrown.ts';

const directory = testDirectory();
writeFileSync(`${directory}/file`, '');
closeAfterEach();
const small = () => create(directory, { maxSize: minPmemSize });

function freedTwice(): void {
	const kind = small();
	const block = kind.malloc(10);
	kind.free(block);
	kind.free(block);
}

/** memkind's code, a call that causes it, and the code that it has here. */
const cases: [memkind: string, call: () => unknown, code: string][] = [
	['MEMKIND_ERROR_INVALID (no directory)', () => create(`${directory}/none`), 'ENOENT'],
	['MEMKIND_ERROR_INVALID (a file)', () => create(`${directory}/file`), 'ENOTDIR'],
	['MEMKIND_ERROR_INVALID (size)', () => create(directory, { maxSize: minPmemSize - 1 }), 'ERR_OUT_OF_RANGE'],
	['MEMKIND_ERROR_INVALID (policy)', () => create(directory, { policy: 'max' as 'default' }), 'ERR_INVALID_ARG_VALUE'],
	['MEMKIND_ERROR_MMAP (not on DAX)', () => create(directory, { maxSize: minPmemSize, mapSync: true }), 'ENOTSUP'],
	['ENOMEM', () => small().malloc(17 * MIB), 'ERR_DAXKIND_OUT_OF_MEMORY'],
	['EINVAL', () => small().memalign(5, 100), 'ERR_OUT_OF_RANGE'],
	['undefined behaviour (free twice)', freedTwice, 'ERR_DAXKIND_DOUBLE_FREE'],
	[
		'undefined behaviour (free what is no block)',
		() => small().free(Buffer.alloc(1) as Block),
		'ERR_DAXKIND_NOT_A_BLOCK',
	],
	['undefined behaviour (the wrong kind)', () => small().free(small().malloc(1)), 'ERR_DAXKIND_WRONG_KIND'],
	[
		'undefined behaviour (no kind any more)',
		() => {
			const kind = small();
			kind.close();
			kind.malloc(1);
		},
		'ERR_INVALID_STATE',
	],
	[
		'undefined behaviour (no kind at all)',
		() => (PmemKind.create as (path: unknown, options: PmemKindOptions) => unknown)(null, {}),
		'ERR_INVALID_ARG_TYPE',
	],
];

for (const [memkind, call, code] of cases) {
	test(`test_TC_MEMKIND_ErrorMsgLength: ${memkind} is ${code}, in a sentence`, () => {
		const error = thrown(call);
		expect(error).toBeInstanceOf(Error);
		expect(error.code).toBe(code);
		expect(error.message.length).toBeGreaterThan(20);
		expect(error.message).not.toMatch(/undefined|NaN|\[object/);
	});
}

test('test_TC_MEMKIND_ErrorMsgFormat: a system error begins with its code and names call and path', () => {
	const error = thrown(() => create(`${directory}/none`));
	expect(error).toMatchObject({ code: 'ENOENT', errno: -2, syscall: 'open', path: `${directory}/none` });
	expect(error.message).toMatch(/^ENOENT: .+, open '.+\/none'$/);
});

test('test_TC_MEMKIND_ErrorMsgUndefMesg: out of memory says how much, of what, and which of the reasons it was', () => {
	const kind = small();
	const limit = thrown(() => kind.malloc(17 * MIB));
	expect(limit).toBeInstanceOf(OutOfMemoryError);
	expect(limit).toMatchObject({ requested: 17 * MIB, capacity: minPmemSize, allocated: 0, reason: 'limit' });
	const blocks = fill(kind, MIB);
	for (const i of [1, 3, 5]) kind.free(blocks[i]);
	const fragmented = thrown(() => kind.malloc(3 * MIB));
	expect(fragmented).toMatchObject({ requested: 3 * MIB, allocated: 13 * MIB, reason: 'fragmented' });
	expect(fragmented.message).not.toBe(limit.message);
});
