// After xfstests generic/607: who inherits the flag, in every way in which an entry comes into a directory, and with
// every mount option. The library or xfs_io sets the flag, and both see it.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getDaxFlag, setDaxFlag } from 'daxkind/dax';
import { beforeAll, describe, expect, test } from 'vitest';
import { scratch } from '../../helpers/guest.ts';
import { mkfs, mounted, sh } from '../../helpers/scratch.ts';
import { flaggedByXfsIo, setFlagByXfsIo } from '../../helpers/xfs-io.ts';

/** What is done in an empty directory, and which paths have the flag afterwards. */
interface Case {
	name: string;
	steps: (
		set: (path: string, on: boolean) => void,
		make: (...paths: string[]) => void,
		sh: (by: string) => void,
	) => void;
	flagged: string[];
}

const cases: Case[] = [
	{
		name: 'new-subtree',
		steps(set, make) {
			make('a/');
			set('a', true);
			make('a/b/c/', 'a/b/c/d');
		},
		flagged: ['a', 'a/b', 'a/b/c', 'a/b/c/d'],
	},
	{
		name: 'older-and-newer-than-the-flag',
		steps(set, make) {
			make('a/b/');
			set('a', true);
			make('a/b/c/', 'a/d/', 'a/b/c/e', 'a/d/f');
		},
		flagged: ['a', 'a/d', 'a/d/f'],
	},
	{
		name: 'flag-below',
		steps(set, make) {
			make('a/b/');
			set('a/b', true);
			make('a/b/c/', 'a/d/', 'a/b/c/e', 'a/d/f');
		},
		flagged: ['a/b', 'a/b/c', 'a/b/c/e'],
	},
	{
		name: 'lost-in-between',
		steps(set, make) {
			make('a/');
			set('a', true);
			make('a/b/c/');
			set('a/b', false);
			make('a/b/c/d/', 'a/b/e/', 'a/b/c/d/f', 'a/b/e/g');
		},
		flagged: ['a', 'a/b/c', 'a/b/c/d', 'a/b/c/d/f'],
	},
	{
		name: 'copied-and-moved',
		steps(set, make, sh) {
			make('a/', 'b/');
			set('a', true);
			make('a/c/', 'a/d/', 'b/e/', 'b/f/', 'a/g', 'b/h');
			sh('cp -r a/c b/; cp -r b/e a/; cp a/g b/; mv a/d b/; mv b/f a/; mv b/h a/');
		},
		flagged: ['a', 'a/c', 'a/e', 'a/g', 'b/d'],
	},
];

function flaggedByLibrary(directory: string): string[] {
	const all = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));
	return all.filter((path) => getDaxFlag(path).flag).sort();
}

describe.each(['ext4', 'xfs'] as const)('%s', (type) => {
	beforeAll(() => {
		sh(`${mkfs[type]} ${scratch}`);
	});

	test.each([
		['defaults', 'xfs_io', setFlagByXfsIo],
		['dax=always', 'daxkind', setDaxFlag],
		['dax=inode', 'daxkind', setDaxFlag],
		['dax=never', 'daxkind', setDaxFlag],
	])('with %s the flag, set by %s, is inherited', (options, _, setter) => {
		mounted(scratch, options, (mountPoint) => {
			const top = mkdtempSync(join(mountPoint, 'cases-'));
			const expected = cases.flatMap(({ name, steps, flagged }) => {
				const directory = join(top, name);
				mkdirSync(directory);
				const at = (path: string) => join(directory, path);
				const make = (...paths: string[]) => {
					for (const path of paths) {
						if (path.endsWith('/')) mkdirSync(at(path), { recursive: true });
						else writeFileSync(at(path), '');
					}
				};
				steps(
					(path, on) => setter(at(path), on),
					make,
					(by) => sh(`cd '${directory}'; ${by}`),
				);
				return flagged.map(at);
			});
			expect(flaggedByLibrary(top)).toEqual(expected.sort());
			expect(flaggedByXfsIo(top)).toEqual(expected);
			rmSync(top, { recursive: true });
		});
	});
});
