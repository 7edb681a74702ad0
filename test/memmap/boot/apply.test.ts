// A memmap= argument goes into a machine's boot configuration, and out of it again, on images laid out as distributions
// have them.
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyMemmap, undoMemmap } from '#lib/memmap/boot/index.js';
import { spawnSync } from '../../helpers/children.ts';
import { contents, debian, machine, refused } from '../../helpers/machines.ts';
import { firmware } from '../../helpers/memory-table.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import type { Entries } from '../../helpers/tree.ts';

const directory = '/etc/default/grub.d';
const ours = `${directory}/zz-daxkind-memmap.cfg`;
const argument = 'memmap=4G!4G';
const line = `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${argument}"`;

const assignments = (root: string) =>
	readFileSync(join(root, ours), 'utf8')
		.split('\n')
		.filter((text) => text !== '' && !text.startsWith('#'));

describe('where GRUB reads drop-ins', () => {
	test('a file is written once, and undone byte for byte', () => {
		const root = machine(debian);
		const before = contents(root);
		expect(applyMemmap(argument, { root })).toMatchObject({
			changed: true,
			dryRun: false,
			path: ours,
			text: readFileSync(join(root, ours), 'utf8'),
			removed: [],
			missing: [],
			elsewhere: [],
			unread: [],
			boot: { configuration: 'grub-drop-in', firmware: 'bios' },
			next: [`chroot ${root} update-grub`],
		});
		expect(assignments(root)).toEqual([line]);
		const written = contents(root);
		expect(applyMemmap(argument, { root })).toMatchObject({ changed: false, path: ours });
		expect(contents(root)).toEqual(written);
		expect(undoMemmap({ root })).toMatchObject({ changed: true, path: ours, next: [`chroot ${root} update-grub`] });
		expect(contents(root)).toEqual(before);
		expect(undoMemmap({ root })).toMatchObject({ changed: false, path: undefined, next: [] });
	});

	test('a dry run says the same, and changes nothing', () => {
		const root = machine(debian);
		const before = contents(root);
		const planned = applyMemmap(argument, { root, dryRun: true });
		expect(contents(root)).toEqual(before);
		expect({ ...planned, dryRun: false }).toEqual(applyMemmap(argument, { root }));
		const written = contents(root);
		expect(undoMemmap({ root, dryRun: true })).toMatchObject({ changed: true, dryRun: true, path: ours });
		expect(contents(root)).toEqual(written);
	});

	test('another argument takes the place of the older one', () => {
		const root = machine(debian);
		const before = contents(root);
		applyMemmap(argument, { root });
		expect(applyMemmap('memmap=1G!8G nokaslr', { root })).toMatchObject({ changed: true, removed: [argument] });
		expect(assignments(root)).toEqual(['GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX memmap=1G!8G nokaslr"']);
		expect(readdirSync(join(root, directory))).toHaveLength(2);
		expect(undoMemmap({ root })).toMatchObject({ removed: ['memmap=1G!8G', 'nokaslr'] });
		expect(contents(root)).toEqual(before);
	});

	test('the directory is made where there is none, and goes with the file, unless others are in it', () => {
		const root = machine(debian);
		rmSync(join(root, directory), { recursive: true });
		const before = contents(root);
		applyMemmap(argument, { root });
		applyMemmap('memmap=1G!8G', { root });
		undoMemmap({ root });
		expect(contents(root)).toEqual(before);
		applyMemmap(argument, { root });
		writeFileSync(join(root, directory, 'kdump.cfg'), '');
		undoMemmap({ root });
		expect(readdirSync(join(root, directory))).toEqual(['kdump.cfg']);
	});

	test('an empty directory that was there stays', () => {
		const root = machine(debian);
		rmSync(join(root, directory, 'init-select.cfg'));
		applyMemmap(argument, { root });
		undoMemmap({ root });
		expect(readdirSync(join(root, directory))).toEqual([]);
	});

	test('everybody may read the file, whatever the umask', () => {
		const root = machine(debian);
		const before = process.umask(0o077);
		try {
			applyMemmap(argument, { root });
			applyMemmap('memmap=1G!8G', { root });
		} finally {
			process.umask(before);
		}
		expect(statSync(join(root, ours)).mode & 0o777).toBe(0o644);
	});

	test.each<[string, Entries, string]>([
		['in the variable', { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="quiet memmap=4G!4G"' }, '/etc/default/grub'],
		[
			'in the variable for normal boots',
			{ '/etc/default/grub': "GRUB_CMDLINE_LINUX_DEFAULT='memmap=4096M!0x100000000'" },
			'/etc/default/grub',
		],
		[
			'in a list with another range',
			{ '/etc/default/grub': 'GRUB_CMDLINE_LINUX="memmap=1G!16G,4G!4G"' },
			'/etc/default/grub',
		],
		[
			'in a drop-in',
			{ [`${directory}/50-pmem.cfg`]: 'GRUB_CMDLINE_LINUX+=" memmap=4G!4G"' },
			`${directory}/50-pmem.cfg`,
		],
		[
			'in a text of several lines',
			{ '/etc/default/grub': 'GRUB_CMDLINE_LINUX="\\\n quiet\n memmap=4G!4G\n"' },
			'/etc/default/grub',
		],
	])('what somebody else has %s is not written a second time', (_, entries, path) => {
		const root = machine(debian, entries);
		const before = contents(root);
		expect(applyMemmap(argument, { root })).toMatchObject({
			changed: false,
			path: undefined,
			elsewhere: [{ path }],
			next: [`chroot ${root} update-grub`],
		});
		expect(contents(root)).toEqual(before);
		expect(undoMemmap({ root })).toMatchObject({ changed: false, elsewhere: [{ path }] });
		expect(contents(root)).toEqual(before);
	});

	test('with the escapes that GRUB needs it is recognised, too', () => {
		const root = machine(debian, { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="memmap=64M\\\\\\$1G"' });
		expect(applyMemmap('memmap=64M$1G', { root })).toMatchObject({ changed: false });
	});

	test.each<[string, string]>([
		['a comment', '#GRUB_CMDLINE_LINUX="memmap=4G!4G"'],
		['a comment behind', 'GRUB_CMDLINE_LINUX="quiet" # memmap=4G!4G'],
		['another variable', 'GRUB_CMDLINE_XEN="memmap=4G!4G"'],
		['another range', 'GRUB_CMDLINE_LINUX="memmap=1G!16G"'],
		['what is set anew below', 'GRUB_CMDLINE_LINUX="memmap=4G!4G"\nGRUB_CMDLINE_LINUX="quiet"'],
	])('%s is not the argument', (_, text) => {
		const root = machine(debian, { '/etc/default/grub': text });
		expect(applyMemmap(argument, { root })).toMatchObject({ changed: true });
		expect(assignments(root)).toEqual([line]);
	});

	test('an argument that a later line keeps is not written again', () => {
		const text = `GRUB_CMDLINE_LINUX="memmap=4G!4G"\nGRUB_CMDLINE_LINUX="\${GRUB_CMDLINE_LINUX} quiet"`;
		expect(applyMemmap(argument, { root: machine(debian, { '/etc/default/grub': text }) })).toMatchObject({
			changed: false,
		});
	});

	test('only the missing parts of an argument are written', () => {
		const root = machine(debian, { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="memmap=4G!4G nokaslr"' });
		applyMemmap('memmap=4G!4G,4G!8G memmap=1G!16G nokaslr', { root });
		expect(assignments(root)).toEqual(['GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX memmap=4G!8G memmap=1G!16G"']);
	});

	test('the file goes when somebody else has all of it', () => {
		const root = machine(debian);
		applyMemmap(argument, { root });
		writeFileSync(join(root, '/etc/default/grub'), 'GRUB_CMDLINE_LINUX="memmap=4G!4G"\n');
		expect(applyMemmap(argument, { root })).toMatchObject({ changed: true, path: ours, text: undefined });
		expect(readdirSync(join(root, directory))).toEqual(['init-select.cfg']);
	});

	test('an overlap with what others have is refused', () => {
		const root = machine(debian, { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="memmap=2G!6G"' });
		expect(() => applyMemmap(argument, { root })).toThrow(refused('ERR_DAXKIND_MEMMAP_OVERLAP', '/etc/default/grub'));
		expect(readdirSync(join(root, directory))).toEqual(['init-select.cfg']);
	});

	test.each([
		['octal, as the kernel reads it', '010000M!6G'],
		['that is ACPI data', '2G#6G'],
		['that is usable', '2G@6G'],
	])('an overlap with a range %s is refused, too', (_, range) => {
		const root = machine(debian, { '/etc/default/grub': `GRUB_CMDLINE_LINUX="memmap=${range}"` });
		expect(() => applyMemmap(argument, { root })).toThrow(refused('ERR_DAXKIND_MEMMAP_OVERLAP', '/etc/default/grub'));
	});

	test('a later file that drops what was there is refused', () => {
		const later = `${directory}/zzz.cfg`;
		const root = machine(debian, { [later]: 'GRUB_CMDLINE_LINUX="quiet"' });
		expect(() => applyMemmap(argument, { root })).toThrow(refused('ERR_DAXKIND_LOST_ARGUMENT', later));
		writeFileSync(join(root, later), 'GRUB_CMDLINE_LINUX="quiet memmap=4G!4G"');
		expect(applyMemmap(argument, { root })).toMatchObject({ changed: false, elsewhere: [{ path: later }] });
		writeFileSync(join(root, later), 'GRUB_CMDLINE_LINUX="quiet $GRUB_CMDLINE_LINUX"');
		expect(applyMemmap(argument, { root })).toMatchObject({ changed: true });
	});

	test.each<[string, (path: string) => unknown]>([
		['something else', (path) => writeFileSync(path, 'GRUB_CMDLINE_LINUX="quiet"\n')],
		['ours, with something more', (path) => writeFileSync(path, `${readFileSync(path)}GRUB_TIMEOUT=1\n`)],
		[
			'ours, with another argument',
			(path) => writeFileSync(path, `${readFileSync(path)}`.replace('memmap=4G!4G', 'memmap=4G!4G quiet')),
		],
		['a directory', (path) => [rmSync(path), mkdirSync(path)]],
	])('a file at its place that is %s is left alone', (_, change) => {
		const root = machine(debian);
		applyMemmap(argument, { root });
		change(join(root, ours));
		const before = contents(root);
		for (const dryRun of [true, false]) {
			const foreign = expect.objectContaining({
				...{ code: 'ERR_DAXKIND_FOREIGN_FILE', path: ours },
				remedy: expect.stringContaining(`mv ${root}${ours} `),
			});
			expect(() => applyMemmap('memmap=1G!8G', { root, dryRun })).toThrow(foreign);
			expect(() => undoMemmap({ root, dryRun })).toThrow(foreign);
		}
		expect(contents(root)).toEqual(before);
	});

	test('a link at its place is somebody’s, wherever it leads', () => {
		for (const target of ['/nowhere', '/etc/default/grub']) {
			const root = machine(debian, { [ours]: `=> ${target}` });
			expect(() => applyMemmap(argument, { root })).toThrow(refused('ERR_DAXKIND_FOREIGN_FILE', ours));
			expect(() => undoMemmap({ root })).toThrow(refused('ERR_DAXKIND_FOREIGN_FILE', ours));
		}
	});

	test('an absolute link to the directory is the image’s own', () => {
		const outside = temporaryDirectory();
		const { [`${directory}/init-select.cfg`]: _, ...rest } = debian;
		const root = machine(rest, { [`${outside}/init-select.cfg`]: '', [directory]: `=> ${outside}` });
		expect(applyMemmap(argument, { root })).toMatchObject({ changed: true });
		expect(readdirSync(outside)).toEqual([]);
		undoMemmap({ root });
		expect(readdirSync(`${root}${outside}`)).toEqual(['init-select.cfg']);
	});

	test('of a running machine a reboot remains, until its kernel has the argument', () => {
		const root = machine(debian, { '/proc/cmdline': 'root=/dev/sda1 ro quiet' });
		const update = `chroot ${root} update-grub`;
		expect(applyMemmap(argument, { root }).next).toEqual([update, 'reboot']);
		writeFileSync(join(root, '/proc/cmdline'), 'root=/dev/sda1 ro memmap=4G!4G quiet\n');
		expect(applyMemmap(argument, { root })).toMatchObject({ changed: false, next: [] });
		expect(undoMemmap({ root }).next).toEqual([update, 'reboot']);
		// The kernel still has the argument, so perhaps nobody has run GRUB's update.
		expect(undoMemmap({ root })).toMatchObject({ changed: false, next: [update, 'reboot'] });
	});
});

describe('what cannot be written', () => {
	/** Runs a function of boot/index.js as the user nobody, and returns what it prints. */
	const asNobody = (call: string) => {
		const program = `import { applyMemmap, undoMemmap } from '#lib/memmap/boot/index.js';
			process.setuid(65534);
			try { console.log(${call}.changed); } catch ({ code, syscall, path, remedy }) { console.log(code, syscall, path, remedy); }`;
		return spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }).stdout;
	};

	test.skipIf(process.getuid!() !== 0)('is said with what fixes it, and nothing is written', () => {
		const root = machine(debian);
		chmodSync(root, 0o755);
		const options = JSON.stringify({ root });
		const before = contents(root);
		expect(asNobody(`applyMemmap('${argument}', ${options})`)).toBe(`EACCES access ${directory} run as root\n`);
		expect(asNobody(`applyMemmap('${argument}', { ...${options}, dryRun: true })`)).toBe('true\n');
		expect(contents(root)).toEqual(before);
		applyMemmap(argument, { root });
		const written = contents(root);
		expect(asNobody(`undoMemmap(${options})`)).toBe(`EACCES access ${directory} run as root\n`);
		expect(contents(root)).toEqual(written);
		rmSync(join(root, directory), { recursive: true });
		expect(asNobody(`applyMemmap('${argument}', ${options})`)).toBe('EACCES access /etc/default run as root\n');
	});

	test.skipIf(process.getuid!() !== 0)('what a user may not read is named', () => {
		const root = machine(debian);
		chmodSync(root, 0o755);
		chmodSync(join(root, '/etc/default/grub'), 0o600);
		const said = asNobody(`({ changed: applyMemmap('${argument}', { root: '${root}', dryRun: true }).unread })`);
		expect(said).toBe("[ '/etc/default/grub' ]\n");
	});

	const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

	test.skipIf(!canMount)('a read-only file system is an error that names what fixes it', () => {
		const root = machine(debian);
		const program = `import { applyMemmap } from '#lib/memmap/boot/index.js';
			try { applyMemmap('${argument}', { root: '${root}' }); } catch ({ code, remedy }) { console.log(code, remedy); }`;
		const mount = `mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" --input-type=module -e "$3"`;
		const args = ['-m', 'sh', '-c', mount, 'sh', root, process.execPath, program];
		expect(spawnSync('unshare', args, { encoding: 'utf8' }).stdout).toBe('EROFS mount the file system read-write\n');
	});
});

test('what is no argument or no option is refused before anything is looked at', () => {
	expect(() => applyMemmap('quiet', { root: '/nowhere' })).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
	);
	expect(() => applyMemmap(`${argument}\n`, {})).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
	expect(() => applyMemmap(argument, { root: '' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
	expect(() => applyMemmap(argument, { dryRun: 1 } as never)).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
	);
	expect(() => undoMemmap({ dryrun: true } as never)).toThrow(/dryRun/);
	expect(() => applyMemmap(argument, { root: '/nowhere' })).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});

describe('ranges that the kernel would take without a word', () => {
	test('that are no memory of this machine are refused', () => {
		const root = machine({ ...debian, ...firmware });
		const before = contents(root);
		expect(() => applyMemmap('memmap=1G!2560M', { root })).toThrow(
			expect.objectContaining({
				code: 'ERR_DAXKIND_NOT_MEMORY',
				path: '/sys/firmware/memmap',
				message: expect.stringMatching(
					/^memmap=1G!2560M must not be used: 513 MiB of it are not usable memory in the firmware's table: 0xbff80000-0xdfffffff is in no row/,
				),
				remedy: 'let daxkind memmap plan find a range',
			}),
		);
		expect(contents(root)).toEqual(before);
		expect(applyMemmap('memmap=1G!4G', { root }).changed).toBe(true);
	});

	test.each(['memmap=2G!4G memmap=1G!5G', 'memmap=2G!4G,2G!5G', 'memmap=1G!4097M', 'memmap=1025M!4G'])(
		'%s is refused anywhere',
		(wrong) => {
			const root = machine(debian);
			expect(() => applyMemmap(wrong, { root })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
		},
	);

	test('a range that is only kept out of use may be anywhere', () => {
		expect(applyMemmap('memmap=1M$3071M', { root: machine({ ...debian, ...firmware }) }).changed).toBe(true);
	});
});
