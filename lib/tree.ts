// The files that the library looks at: those of this machine, or of an image of one that is mounted somewhere.
import {
	closeSync,
	constants,
	fstatSync,
	lstatSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	realpathSync,
	statSync,
} from 'node:fs';
import { constants as os } from 'node:os';
import { requirePath } from './arguments.ts';
import { attempt } from './attempt.ts';
import { invalidArgValue, systemError } from './errors.ts';
import { parseNumber } from './sysfs.ts';

/** The value of an attribute, or the reason why there is no value. */
export interface Reading<T> {
	value: T | undefined;
	/** The code of the error: EACCES if only root may read it. undefined if it was read, whatever it says. */
	error: string | undefined;
}

/**
 * The files of a machine, by their paths on it. Links in an image lead where they would lead on its own machine, and
 * never out of the image.
 */
export interface Tree {
	/** '' for this machine. */
	readonly root: string;
	/** The text of a file without the end of the line. */
	read(path: string): Reading<string>;
	/** All of a file. */
	bytes(path: string): Reading<Buffer>;
	/** The number in a file, decimal or 0x. */
	number(path: string): Reading<number>;
	/** Where a path leads, with all links resolved. undefined where it leads nowhere. */
	resolve(path: string): string | undefined;
	/** The names in a directory. Numbers in them are sorted by value. */
	list(path: string): string[];
	/** Whether there is a directory. */
	isDirectory(path: string): boolean;
	/** The node, file or link itself, not followed. undefined if it does not exist. */
	stat(path: string): ReturnType<typeof lstatSync> | undefined;
	/** The path at which this process makes, replaces or removes the file. Its last part is not followed. */
	place(path: string): string;
}

const order = new Intl.Collator('en', { numeric: true });

/** Linux follows no more links than these in one path (path_resolution(7)). */
const mostLinks = 40;
const { EINVAL, ELOOP } = os.errno;

/** The reason why an attribute could not be read. */
export const refused = (error: string, path: string) =>
	error === 'EACCES' || error === 'EPERM' ? `${error}: only root may read ${path}` : `${error}: ${path}`;

/**
 * Where a path of an image is, with its links followed as on the image's own machine: as openat2(2) does with
 * RESOLVE_IN_ROOT.
 */
function inside(root: string, path: string, isLastFollowed: boolean): string {
	const done: string[] = [];
	const rest = path.split('/').reverse();
	for (let links = 0; rest.length > 0; ) {
		const name = rest.pop()!;
		if (name === '' || name === '.') continue;
		if (name === '..') {
			done.pop();
			continue;
		}
		const isFollowed = isLastFollowed || rest.length > 0;
		const at = `${root}/${[...done, name].join('/')}`;
		const target = isFollowed ? attempt(() => readlinkSync(at)).value : undefined;
		if (target === undefined) {
			done.push(name);
			continue;
		}
		if (++links > mostLinks) throw systemError(-ELOOP, 'open', path);
		if (target.startsWith('/')) done.length = 0;
		rest.push(...target.split('/').reverse());
	}
	return `${root}/${done.join('/')}`;
}

/** The content of a file of an image. A FIFO or a device there is not read, because that would block the reader. */
function regularFile(path: string): Buffer {
	const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
	try {
		if (!fstatSync(fd).isFile()) throw systemError(-EINVAL, 'open', path);
		return readFileSync(fd);
	} finally {
		closeSync(fd);
	}
}

/**
 * The files below a root.
 *
 * @param root A directory that holds sys, proc, dev and so on. Default: this machine's own.
 */
export function treeAt(root = '/'): Tree {
	const base = root === '/' ? '' : realpathSync.native(root);
	const at = (path: string, isLastFollowed = true) => (base === '' ? path : inside(base, path, isLastFollowed));
	const bytesOf = (path: string) => (base === '' ? readFileSync(path) : regularFile(at(path)));
	const read = (path: string): Reading<string> => {
		const { value, error } = attempt(() => (base === '' ? readFileSync(path, 'utf8') : bytesOf(path).toString()));
		return { value: value?.trim(), error };
	};
	return {
		root: base,
		read,
		bytes: (path) => {
			const { value, error } = attempt(() => bytesOf(path));
			return { value, error };
		},
		number: (path) => {
			const { value, error } = read(path);
			return { value: parseNumber(value), error };
		},
		resolve: (path) => attempt(() => realpathSync.native(at(path)).slice(base.length)).value,
		list: (path) => attempt(() => readdirSync(at(path))).value?.sort(order.compare) ?? [],
		isDirectory: (path) => attempt(() => statSync(at(path)).isDirectory()).value ?? false,
		stat: (path) => attempt(() => lstatSync(at(path, false))).value,
		place: (path) => at(path, false),
	};
}

/** The files of this machine. */
export const machine: Tree = treeAt();

/**
 * The files below the root that a caller named, or this machine's.
 *
 * @throws TypeError for a root that is not a path, and for an empty one: it is probably a shell's variable that is not
 *   set, and it does not mean this machine.
 */
export function treeOf(root: unknown): Tree {
	if (root === undefined) return machine;
	const path = requirePath('options.root', root);
	if (path === '') throw invalidArgValue('options.root', 'a directory', path);
	return treeAt(path);
}
