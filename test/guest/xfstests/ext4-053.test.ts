// After the rows about DAX in xfstests ext4/053: which options the driver takes in a mount, what it shows of them, what
// they mean, and what it refuses to change in a remount. The files are in the mode that daxkind derives from the
// options that are shown.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { explain, inspect, isDax, setDaxFlag } from 'daxkind/dax';
import { beforeAll, describe, expect, test } from 'vitest';
import { scratch } from '../../helpers/guest.ts';
import { mkfs, mounted, sh } from '../../helpers/scratch.ts';

const shownOptions = () => readFileSync(`/proc/fs/ext4/${basename(scratch)}/options`, 'utf8').split('\n');

/** Whether a new file is on DAX, without the flag and with it. */
function states(mountPoint: string): { unflagged: boolean | undefined; flagged: boolean | undefined } {
	const directory = mkdtempSync(join(mountPoint, 'states-'));
	const unflagged = join(directory, 'unflagged');
	writeFileSync(unflagged, '');
	setDaxFlag(directory, true);
	const flagged = join(directory, 'flagged');
	writeFileSync(flagged, '');
	const found = { unflagged: isDax(unflagged), flagged: isDax(flagged) };
	rmSync(directory, { recursive: true });
	return found;
}

const statesOf = {
	always: { unflagged: true, flagged: true },
	inode: { unflagged: false, flagged: true },
	never: { unflagged: false, flagged: false },
} as const;

/** The options that a remount accepts. */
const acceptedInRemount = (mountPoint: string, options: readonly string[]) =>
	sh(
		`for option in ${options.join(' ')}; do mount -o remount,$option ${mountPoint} 2> /dev/null && echo $option; done; true`,
	);

const refusal = (run: () => unknown): string => {
	try {
		run();
	} catch (error) {
		return (error as { stderr: string }).stderr;
	}
	throw new Error('it was not refused');
};

/** The names under which the same driver mounts older file systems. It accepts only the plain word `dax` for those. */
const older = ['ext2', 'ext3'] as const;

describe.each(['ext4', ...older] as const)('%s', (type) => {
	const device = `-t ${type} ${scratch}`;
	beforeAll(() => {
		sh(`${mkfs[type]} ${scratch}`);
	});

	/** The options of the mount, the mode that they give, and options of other modes. */
	const modes = [
		['dax', 'always', ['dax=never']],
		['defaults', 'inode', ['dax']],
	] as const;
	const modesOfExt4 = [
		['dax=always', 'always', ['dax=inode']],
		['dax=never', 'never', ['dax', 'dax=inode']],
		['dax=inode', 'inode', ['dax=always', 'dax=never']],
		['dax=never,dax=always', 'always', ['dax=never']],
	] as const;
	/** What /proc/fs/ext4 shows of them. It does not show defaults. */
	const shownOf = { always: type === 'ext2' ? 'dax' : 'dax=always', inode: 'dax=inode', never: 'dax=never' };

	test.each(type === 'ext4' ? [...modes, ...modesOfExt4] : modes)(
		'mounts with %s: the mode is %s, and stays so',
		(options, mode, others) => {
			mounted(device, options, (mountPoint) => {
				const shown = shownOptions().filter((option) => option.startsWith('dax'));
				expect(shown).toEqual(options === 'defaults' ? [] : [shownOf[mode]]);
				expect(inspect(mountPoint).mount).toMatchObject({ driver: 'ext4', mode, effectiveMode: mode });
				expect(states(mountPoint)).toEqual(statesOf[mode]);
				// On ext3, mount(8) passes on the options that are shown, and ext3 does not accept those.
				if (type !== 'ext3') sh(`mount -o remount ${mountPoint} && mount -o remount,${options} ${mountPoint}`);
				expect(acceptedInRemount(mountPoint, others)).toBe('');
				expect(states(mountPoint)).toEqual(statesOf[mode]);
			});
		},
	);

	test(`does not mount with options that ${type} does not know`, () => {
		const refused = ['nodax', 'dax=bogus', 'dax='];
		for (const options of type === 'ext4' ? refused : ['nodax', 'dax=always', 'dax=inode', 'dax=never']) {
			expect(
				refusal(() => mounted(device, options, () => {})),
				options,
			).toMatch(/wrong fs type, bad option/);
		}
	});

	// ext2 has no journal.
	if (type === 'ext2') return;

	test('with data=journal has no DAX, and takes none in a remount', () => {
		mounted(device, 'data=journal', (mountPoint) => {
			expect(acceptedInRemount(mountPoint, ['dax', 'dax=always', 'dax=never', 'dax=inode'])).toBe('');
			expect(states(mountPoint)).toEqual(statesOf.never);
			expect(explain(mountPoint).reason).toContain('data go through the journal');
		});
		expect(refusal(() => mounted(device, 'data=journal,dax', () => {}))).toContain('wrong fs type, bad option');
	});
});
