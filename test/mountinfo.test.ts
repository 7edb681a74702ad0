import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseMountinfo } from '#lib/mountinfo.js';

// Captured in the VM (Debian 6.1): pmem0 with ext4 dax=always, pmem1 with xfs dax=always, pmem2 with ext4 dax=never, and odd names.
const captured = `21 33 0:20 / /proc rw,relatime - proc none rw
22 33 0:21 / /sys rw,relatime - sysfs none rw
33 1 0:30 / / rw,relatime - overlay overlay rw,lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work
34 33 0:33 / /dev/shm rw,nosuid,nodev shared:2 - tmpfs tmpfs rw,size=204800k
36 33 259:0 / /mnt/pmem0 rw,relatime shared:7 master:3 propagate_from:2 unbindable - ext4 /dev/pmem0 rw,dax=always
37 33 259:1 / /mnt/pmem1 rw,relatime - xfs /dev/pmem1 rw,attr2,dax=always,inode64,logbufs=8,logbsize=32k,noquota
38 33 259:2 / /mnt/pmem2 ro,relatime - ext4 /dev/pmem2 rw,dax=never
39 36 259:0 /sub\\040directory /mnt/a\\040b\\011c\\012d\\134e\\043f rw,relatime - ext4 /dev/pmem0 rw,dax=always
40 33 0:40 / /mnt/nameless rw - tmpfs  rw
41 33 0:41 / /mnt/over rw - overlay over rw,lowerdir=/tmp/a\\134,b:/c\\040d,upperdir=/up\\134,per,workdir=/work
`;

test('each line of mountinfo becomes a mount', () => {
	const mounts = parseMountinfo(captured);
	expect(mounts.map(({ id }) => id)).toEqual([21, 22, 33, 34, 36, 37, 38, 39, 40, 41]);
	expect(mounts[4]).toEqual({
		id: 36,
		parentId: 33,
		deviceMajor: 259,
		deviceMinor: 0,
		root: '/',
		mountPoint: '/mnt/pmem0',
		options: ['rw', 'relatime'],
		fsType: 'ext4',
		source: '/dev/pmem0',
		superOptions: ['rw', 'dax=always'],
	});
	expect(mounts[6]).toMatchObject({ options: ['ro', 'relatime'], superOptions: ['rw', 'dax=never'] });
});

test('octal escapes are undone', () => {
	expect(parseMountinfo(captured)[7]).toMatchObject({ root: '/sub directory', mountPoint: '/mnt/a b\tc\nd\\e#f' });
});

test('a mount of nothing has an empty source', () => {
	expect(parseMountinfo(captured)[8]).toMatchObject({ fsType: 'tmpfs', source: '', superOptions: ['rw'] });
});

test('a comma within a path separates no options', () => {
	expect(parseMountinfo(captured)[9]!.superOptions).toEqual([
		'rw',
		'lowerdir=/tmp/a\\,b:/c d',
		'upperdir=/up\\,per',
		'workdir=/work',
	]);
});

test.each([
	'',
	'\n',
	'x',
	'1 2 3:4 / /',
	'1 2 3 / / rw - ext4 /dev/x rw',
	'1 2 3:4 / / rw ext4 /dev/x rw',
	'- - - - - -',
])('%j holds no mount', (text) => {
	expect(parseMountinfo(text)).toEqual([]);
});

test("this machine's own table is read to the last line", () => {
	const text = readFileSync('/proc/self/mountinfo', 'utf8');
	expect(parseMountinfo(text)).toHaveLength(text.trimEnd().split('\n').length);
});
