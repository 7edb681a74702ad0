// The rows of docs/limits.md about device DAX. test/guest/limits.test.ts has the rows about file systems.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeviceKind } from 'daxkind';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { devdax, hmem, scratch } from '../helpers/guest.ts';
import {
	blockOf,
	blockRows,
	directRows,
	fileRows,
	foreignRows,
	holdPage,
	pagesProblem,
	type Rows,
} from '../helpers/limits.ts';
import { mkfs, mountedForTest, sh } from '../helpers/scratch.ts';

const allAre = (answer: string, rows: Rows, except: Rows = {}): Rows => ({
	...Object.fromEntries(Object.keys(rows).map((name) => [name, answer])),
	...except,
});

describe.each([
	['an nvdimm', devdax],
	['Soft Reserved memory', hmem],
])('a device of %s', (_, device) => {
	test('its memory is as good as any for files, sockets and pipes, and it is no file itself', async () => {
		sh(`${mkfs.ext4} ${scratch}`);
		const mount = mountedForTest(scratch, 'dax=never');
		const temporary = mkdtempSync(join(tmpdir(), 'limits-'));
		onTestFinished(() => rmSync(temporary, { recursive: true }));
		using kind = DeviceKind.create(device, { size: 64 * MIB });
		const block = blockOf(kind);

		const direct = await directRows(block, `${mount}/file`);
		const unaligned = {
			'a block that begins 16 bytes into a page': 'EINVAL',
			'100 bytes at an odd place of the file': 'EINVAL',
		};
		expect(direct).toEqual(allAre('ok', direct, unaligned));
		const rows = await blockRows(block, `${mount}/file`);
		expect(rows).toEqual(allAre('ok', rows));

		// As a file the device has size 0. So a copy of it is an empty file, and no error.
		const files = await fileRows(device, `${mount}/other`, join(temporary, 'sibling'));
		expect(files).toEqual(
			allAre('EINVAL', files, {
				'copyFile to a file beside it': 'an empty file',
				'copyFile to another file system': 'an empty file',
				'copyFile of a file elsewhere to one beside it': 'ok',
				'copyFile COPYFILE_FICLONE': 'an empty file',
				'copyFile COPYFILE_FICLONE_FORCE': 'EXDEV',
			}),
		);

		if (pagesProblem !== undefined) return;
		block.fill('x');
		const foreign = await foreignRows(device, block.byteOffset, `${mount}/other`);
		expect(foreign).toEqual(
			allAre('EINVAL', foreign, {
				vmsplice: 'ok',
				'vmsplice GIFT': 'ok',
				'send MSG_ZEROCOPY': 'ok',
				// Linux 6.1 takes no mapping of a file. Linux 6.12 takes this one.
				'io_uring registered buffers': expect.stringMatching(/^(ok|EOPNOTSUPP)$/),
			}),
		);

		// Nothing is given back, so nothing waits for a page that is held.
		const held = await holdPage(device, block.byteOffset, 60_000);
		const spare = kind.malloc(20 * MIB);
		kind.free(spare);
		expect(kind.purge()).toBe(0);
		kind.close();
		await held.release();
	});
});
