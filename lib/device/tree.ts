// Where the library looks: this machine, or an image of one that is mounted somewhere.
import { lstatSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { attempt } from '../attempt.ts';
import { listDirectory, parseNumber } from '../sysfs.ts';

/** What an attribute says, or why it does not. */
export interface Reading<T> {
	value: T | undefined;
	/** The code with which it is refused: EACCES where it is for root. Undefined where it was read, whatever it said. */
	error: string | undefined;
}

/** The files of a machine, by their paths on it. */
export interface Tree {
	/** '' for this machine. */
	readonly root: string;
	/** A file's text without the line's end. */
	read(path: string): Reading<string>;
	/** A file that is a number, decimal or 0x. */
	number(path: string): Reading<number>;
	/** Where a path leads, all links resolved; undefined where it leads nowhere, or out of the tree. */
	resolve(path: string): string | undefined;
	/** What is in a directory, sorted as people count. */
	list(path: string): string[];
	/** Whether there is a directory. */
	isDirectory(path: string): boolean;
	/** The node or file itself; undefined where there is none. */
	stat(path: string): ReturnType<typeof lstatSync> | undefined;
}

const order = new Intl.Collator('en', { numeric: true });

/** @param root A directory that holds sys, proc, dev and so on; default: this machine's own. */
export function treeAt(root = ''): Tree {
	// The links of sysfs are relative, so that they stay below the root.
	const base = root === '' || root === '/' ? '' : realpathSync.native(root);
	const at = (path: string) => `${base}${path}`;
	const read = (path: string): Reading<string> => {
		const { value, error } = attempt(() => readFileSync(at(path), 'utf8').trim());
		return { value, error };
	};
	return {
		root: base,
		read,
		number: (path) => {
			const { value, error } = read(path);
			return { value: parseNumber(value), error };
		},
		resolve: (path) => {
			const real = attempt(() => realpathSync.native(at(path))).value;
			return real?.startsWith(`${base}/`) ? real.slice(base.length) : undefined;
		},
		list: (path) => listDirectory(at(path)).sort(order.compare),
		isDirectory: (path) => attempt(() => statSync(at(path)).isDirectory()).value ?? false,
		stat: (path) => attempt(() => lstatSync(at(path))).value,
	};
}
