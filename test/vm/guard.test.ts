// Bad blocks of the medium, as the kernel's own list has them: loads and stores find zeros, and the process goes on. The programs
// are those that test/guard runs on truncated files.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { ext4, scratch, xfs } from '../helpers/guest.ts';
import { mkfs, sh } from '../helpers/scratch.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/** The list of a disk, and where a device begins on it, in sectors. */
interface BadBlocks {
	list: string;
	start: number;
}

const diskOf = (directory: string): BadBlocks => {
	const device = sh(`findmnt -no SOURCE ${directory}`);
	return { list: `/sys/block/${basename(device)}/badblocks`, start: 0 };
};

const used = new Set<string>();
afterEach(() => {
	// What no file has any more stays on the list: the next one that gets such a block would lose it.
	for (const list of used) {
		for (const line of readFileSync(list, 'utf8').split('\n').filter(Boolean)) {
			const [sector, count] = line.split(' ').map(Number) as [number, number];
			const disk = `/dev/${list.split('/')[3]}`;
			sh(`dd if=/dev/zero of=${disk} bs=512 seek=${sector} count=${count} oflag=direct conv=notrunc status=none`);
		}
	}
	used.clear();
});

/** Mounts a device with DAX while `body` runs. */
async function inMount(device: string, body: (directory: string) => Promise<void>) {
	const directory = mkdtempSync('/mnt/test-');
	sh(`mount -o dax=always ${device} ${directory}`);
	try {
		await body(directory);
	} finally {
		sh(`umount ${directory}`);
		rmdirSync(directory);
	}
}

async function printed(name: string, directory: string, { list, start }: BadBlocks, ...args: string[]) {
	used.add(list);
	const program = fileURLToPath(new URL(`../guard/programs/${name}.mjs`, import.meta.url));
	const env = { ...process.env, DAXKIND_BADBLOCKS: list, DAXKIND_BADBLOCKS_START: `${start}` };
	const node = ['--disable-warning=DAXKIND_MEDIA_ERROR', program, temporaryDirectory(directory), ...args];
	const { stdout } = await promisify(execFile)(process.execPath, node, { env });
	return stdout.trim();
}

test('every sort of access to a Buffer finds zeros in bad pages of ext4, and leaves there what it writes', async () => {
	expect(Number(await printed('accesses', ext4, diskOf(ext4)))).toBeGreaterThan(80);
});

test.each([
	['ext4', ext4],
	['xfs', xfs],
])('on %s, of increments that four threads make at once in bad pages none is lost', async (_, directory) => {
	expect(await printed('threads', directory, diskOf(directory))).toBe('20');
});

test('on xfs, interpreted and optimised loops go on, and zlib, crypto and fs in the pool', async () => {
	expect(await printed('loops', xfs, diskOf(xfs))).toBe('');
	expect(await printed('pool', xfs, diskOf(xfs))).toBe('');
});

test('on a partition, and on a volume of the device mapper', async () => {
	const disk = `/sys/block/${basename(scratch)}/badblocks`;
	const start = 8192;
	sh(`addpart ${scratch} 1 ${start} 786432`);
	sh(`${mkfs.ext4} ${scratch}p1`);
	await inMount(`${scratch}p1`, async (directory) => {
		expect(await printed('loops', directory, { list: disk, start })).toBe('');
	});
	sh(`delpart ${scratch} 1`);
	sh(`echo "0 786432 linear ${scratch} ${start}" | dmsetup create daxkind-guard`);
	try {
		const volume = `/dev/${sh('dmsetup info -c --noheadings -o blkdevname daxkind-guard')}`;
		sh(`${mkfs.xfs} ${volume}`);
		await inMount(volume, async (directory) => {
			expect(await printed('loops', directory, { list: disk, start })).toBe('');
		});
	} finally {
		sh('dmsetup remove daxkind-guard');
	}
});

test.each([
	['ext4', ext4],
	['xfs', xfs],
])('on %s, a kind in full use of which a thousand pages go bad loses nothing else', async (_, directory) => {
	const { bad, met, told } = JSON.parse(await printed('full-use', directory, diskOf(directory), '1000'));
	expect(bad).toBe(1000);
	expect(met).toBeGreaterThan(900);
	expect(told).toBe(met);
});
