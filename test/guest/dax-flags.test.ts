// The DAX flag where it decides: who inherits it, and when it takes effect. No data are lost by that.
// test/guest/xfstests has more.
import { once } from 'node:events';
import {
	closeSync,
	fsyncSync,
	linkSync,
	mkdirSync,
	openSync,
	readFileSync,
	rmSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { mapFile } from 'daxkind';
import { getDaxFlag, setDaxFlag, setDaxFlagAsync, whenEffectiveAsync } from 'daxkind/dax';
import { beforeAll, describe, expect, test } from 'vitest';
import { spawn } from '../helpers/children.ts';
import * as guest from '../helpers/guest.ts';
import { mkfs, mountedForTest, sh } from '../helpers/scratch.ts';
import { flaggedByXfsIo, seenByXfsIo } from '../helpers/xfs-io.ts';

const settled = (flag: boolean) => ({ flag, effective: flag, pending: false });

const dropCaches = () => sh('echo 2 > /proc/sys/vm/drop_caches');

const soon = () => ({ signal: AbortSignal.timeout(20_000) });

/** Text of which no two pages are the same. */
function content(size: number, seed: string): Buffer {
	const buffer = Buffer.alloc(size, seed);
	for (let at = 0; at < size; at += 4096) buffer.writeUInt32LE(at, at);
	return buffer;
}

/** The content of a file, first as it is read, then as a mapping shows it. */
function readBoth(file: string): Buffer[] {
	const mapping = mapFile(file, { writable: false });
	const mapped = Buffer.from(mapping.buffer);
	mapping.unmap();
	return [readFileSync(file), mapped];
}

describe.each(['ext4', 'xfs'] as const)('%s with dax=inode', (type) => {
	beforeAll(() => {
		sh(`${mkfs[type]} ${guest.scratch}`);
	});
	const mount = () => {
		const mountPoint = mountedForTest(guest.scratch, 'dax=inode');
		rmSync(join(mountPoint, 'here'), { recursive: true, force: true });
		const directory = join(mountPoint, 'here');
		mkdirSync(directory);
		return directory;
	};

	test("the three examples of inheritance in the kernel's document come out so", () => {
		const top = mount();
		const at = (path: string) => join(top, path);
		const make = (path: string) => mkdirSync(at(path), { recursive: true });
		make('A/a/b/c');
		setDaxFlag(at('A/a'), true);
		make('A/a/b/c/d');
		make('A/a/e');
		make('B/a');
		setDaxFlag(at('B/a'), true);
		make('B/a/b/c/d');
		make('C/a/b/c');
		setDaxFlag(at('C/a/b/c'), true);
		make('C/a/b/c/d');
		const expected = ['A/a', 'A/a/e', 'B/a', 'B/a/b', 'B/a/b/c', 'B/a/b/c/d', 'C/a/b/c', 'C/a/b/c/d'].map(at);
		expect(flaggedByXfsIo(top)).toEqual(expected);
		for (const path of expected) expect(getDaxFlag(path)).toEqual(settled(true));
		for (const path of ['A/a/b', 'A/a/b/c', 'A/a/b/c/d', 'C/a', 'C/a/b']) {
			expect(getDaxFlag(at(path))).toEqual(settled(false));
		}
	});

	test('what is moved keeps its flag and its state, what is copied takes those of where it comes to', () => {
		const top = mount();
		for (const name of ['dax', 'plain']) mkdirSync(join(top, name));
		setDaxFlag(join(top, 'dax'), true);
		for (const name of ['dax', 'plain']) writeFileSync(join(top, name, `of ${name}`), name);
		sh(`cd ${top} && cp 'dax/of dax' plain/copied && cp 'plain/of plain' dax/copied`);
		sh(`cd ${top} && mv 'dax/of dax' plain/moved && mv 'plain/of plain' dax/moved`);
		expect(getDaxFlag(join(top, 'plain/moved'))).toEqual(settled(true));
		expect(getDaxFlag(join(top, 'dax/moved'))).toEqual(settled(false));
		expect(getDaxFlag(join(top, 'plain/copied'))).toEqual(settled(false));
		expect(getDaxFlag(join(top, 'dax/copied'))).toEqual(settled(true));
	});

	test('a flag that is set with data in the page cache takes effect at the last close, and the data are there', async () => {
		const top = mount();
		const file = join(top, 'file');
		const size = 3 * 2 ** 20 + 5;
		const data = content(size, 'dirty pages ');
		writeFileSync(file, content(size, 'on the medium '));
		expect(getDaxFlag(file)).toEqual(settled(false));
		const [fd, second] = [openSync(file, 'r+'), openSync(file, 'r')];
		fsyncSync(fd);
		writeSync(fd, data, 0, size - 100_000, 0);
		expect(setDaxFlag(file, true)).toEqual({ flag: true, effective: false, pending: true });
		writeSync(fd, data, size - 100_000, 100_000, size - 100_000);
		closeSync(fd);
		expect(getDaxFlag(file)).toEqual({ flag: true, effective: false, pending: true });
		const effective = whenEffectiveAsync(file, soon());
		setTimeout(() => closeSync(second), 50);
		expect(await effective).toEqual(settled(true));
		expect(seenByXfsIo(file)).toEqual({ flag: true, effective: true });
		for (const seen of readBoth(file)) expect(seen.equals(data)).toBe(true);
		const mapping = mapFile(file, { sync: true });
		expect(mapping.buffer.equals(data)).toBe(true);
		mapping.unmap();
	});

	test('a flag that is cleared while the file is mapped takes effect when it is no more, and the data are there', async () => {
		const top = mount();
		setDaxFlag(top, true);
		const file = join(top, 'file');
		const size = 3 * 2 ** 20 + 5;
		const data = content(size, 'stored through a mapping ');
		writeFileSync(file, Buffer.alloc(size));
		expect(getDaxFlag(file)).toEqual(settled(true));
		const mapping = mapFile(file, { sync: true });
		const [first, last] = [data.subarray(0, size / 2), data.subarray(size / 2)];
		mapping.buffer.set(first);
		expect(await setDaxFlagAsync(file, false)).toMatchObject({
			flag: false,
			effective: true,
			pending: true,
			changed: 1,
		});
		mapping.buffer.set(last, first.length);
		const effective = whenEffectiveAsync(file, soon());
		setTimeout(() => mapping.unmap(), 50);
		expect(await effective).toEqual(settled(false));
		for (const seen of readBoth(file)) expect(seen.equals(data)).toBe(true);
		expect(() => mapFile(file, { sync: true })).toThrow(expect.objectContaining({ code: 'ENOTSUP' }));
	});

	test('a flag that is set again and cleared again is followed each time', async () => {
		const file = join(mount(), 'file');
		writeFileSync(file, 'contents');
		for (const flag of [true, false, true]) {
			setDaxFlag(file, flag);
			expect(await whenEffectiveAsync(file, soon())).toEqual(settled(flag));
			expect(readFileSync(file, 'utf8')).toBe('contents');
		}
	});

	test('a file with another name that the kernel has in its cache can stay pending until that is dropped', async () => {
		const file = join(mount(), 'file');
		writeFileSync(file, 'contents');
		linkSync(file, `${file} by another name`);
		setDaxFlag(`${file} by another name`, true);
		const effective = whenEffectiveAsync(file, soon());
		expect(getDaxFlag(file)).toEqual({ flag: true, effective: false, pending: true });
		dropCaches();
		expect(await effective).toEqual(settled(true));
	});

	test('another process that has the file open keeps it pending, and an abort ends the waiting', async () => {
		const file = join(mount(), 'file');
		writeFileSync(file, 'contents');
		const child = spawn('sh', ['-c', `exec < ${file}; echo ready; exec sleep 60`], {
			stdio: ['ignore', 'pipe', 'ignore'],
		});
		await once(child.stdout, 'data');
		setDaxFlag(file, true);
		const reason = new Error('waited long enough');
		const controller = new AbortController();
		const waiting = whenEffectiveAsync(file, { signal: controller.signal });
		setTimeout(() => controller.abort(reason), 100);
		await expect(waiting).rejects.toBe(reason);
		expect(getDaxFlag(file)).toEqual({ flag: true, effective: false, pending: true });
		const effective = whenEffectiveAsync(file, soon());
		child.kill();
		expect(await effective).toEqual(settled(true));
	});
});

const ignored = (words: string | RegExp) => ({
	code: 'ERR_DAXKIND_FLAG_IGNORED',
	message: expect.stringMatching(words),
});

test.each([
	['dax=always', guest.ext4, true],
	['dax=always', guest.xfs, true],
	['dax=never', guest.never, false],
])('with %s the flag can be set and cleared, but decides nothing', async (option, mountPoint, effective) => {
	const file = join(mountPoint, 'flagged');
	writeFileSync(file, '');
	for (const flag of [true, false]) {
		expect(setDaxFlag(file, flag)).toEqual({ flag, effective, pending: false });
		if (flag === effective) expect(await whenEffectiveAsync(file)).toEqual(settled(flag));
		else await expect(whenEffectiveAsync(file)).rejects.toMatchObject(ignored(`mounted with ${option}`));
	}
	rmSync(file);
});

test('on a device without DAX the flag is kept, and is never in effect', async () => {
	sh('modprobe brd rd_nr=1 rd_size=409600');
	for (const type of ['ext4', 'xfs'] as const) {
		sh(`${mkfs[type]} /dev/ram0`);
		const top = mountedForTest('/dev/ram0', 'dax=inode');
		const file = join(top, 'file');
		writeFileSync(file, '');
		for (const path of [file, top]) {
			expect(setDaxFlag(path, true)).toEqual({ flag: true, effective: false, pending: false });
			await expect(whenEffectiveAsync(path)).rejects.toMatchObject(ignored('the block device /dev/ram0 cannot do DAX'));
		}
		writeFileSync(join(top, 'later'), '');
		expect(getDaxFlag(join(top, 'later'))).toMatchObject({ flag: true, effective: false });
		sh(`umount ${top} && mount -t tmpfs none ${top}`);
	}
});

test('with data=journal the flag is kept, and is never in effect', async () => {
	sh(`${mkfs.ext4} ${guest.scratch}`);
	const file = join(mountedForTest(guest.scratch, 'data=journal'), 'file');
	writeFileSync(file, '');
	expect(setDaxFlag(file, true)).toEqual({ flag: true, effective: false, pending: false });
	await expect(whenEffectiveAsync(file)).rejects.toMatchObject(ignored('data go through the journal'));
});

test("on ext2 by ext4's driver the flag decides", async () => {
	sh(`${mkfs.ext2} ${guest.scratch}`);
	const file = join(mountedForTest(guest.scratch, 'defaults'), 'file');
	writeFileSync(file, '');
	setDaxFlag(file, true);
	expect(await whenEffectiveAsync(file, soon())).toEqual(settled(true));
});
