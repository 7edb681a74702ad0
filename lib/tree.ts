// Where the library looks: this machine, or an image of one that is mounted somewhere.
import {
	closeSync,
	constants,
	fstatSync,
	lstatSync,
	openSync,
	readFileSync,
	readlinkSync,
	realpathSync,
	statSync,
} from 'node:fs';
import { constants as os } from 'node:os';
import { requirePath } from './arguments.ts';
import { attempt } from './attempt.ts';
import { invalidArgValue, systemError } from './errors.ts';
import { listDirectory, parseNumber } from './sysfs.ts';

/** What an attribute says, or why it does not. */
export interface Reading<T> {
	value: T | undefined;
	/** The code with which it is refused: EACCES where it is for root. Undefined where it was read, whatever it said. */
	error: string | undefined;
}

/** The files of a machine, by their paths on it. Links in an image lead where they would lead on its machine, never out of it. */
export interface Tree {
	/** '' for this machine. */
	readonly root: string;
	/** A file's text without the line's end. */
	read(path: string): Reading<string>;
	/** All of a file. */
	bytes(path: string): Reading<Buffer>;
	/** A file that is a number, decimal or 0x. */
	number(path: string): Reading<number>;
	/** Where a path leads, all links resolved; undefined where it leads nowhere. */
	resolve(path: string): string | undefined;
	/** What is in a directory, sorted as people count. */
	list(path: string): string[];
	/** Whether there is a directory. */
	isDirectory(path: string): boolean;
	/** The node, file or link itself; undefined where there is none. */
	stat(path: string): ReturnType<typeof lstatSync> | undefined;
	/** Where this process makes, replaces or removes the file of a path: the last part is not followed. */
	place(path: string): string;
}

const order = new Intl.Collator('en', { numeric: true });

/** Linux follows no more links than these in one path (path_resolution(7)). */
const mostLinks = 40;
const { EINVAL, ELOOP } = os.errno;

/** Why an attribute does not say what it is asked for. */
export const refused = (error: string, path: string) =>
	error === 'EACCES' || error === 'EPERM' ? `${error}: ${path} is for root` : `${error}: ${path}`;

/** Where a path of an image is, its links followed as on the image's own machine: as openat2(2) with RESOLVE_IN_ROOT. */
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

/** The content of a file of an image; a FIFO or a device there, which would hold the reader up, is not read. */
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
 * @param root A directory that holds sys, proc, dev and so on; default: this machine's own.
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
		list: (path) => attempt(() => listDirectory(at(path))).value?.sort(order.compare) ?? [],
		isDirectory: (path) => attempt(() => statSync(at(path)).isDirectory()).value ?? false,
		stat: (path) => attempt(() => lstatSync(at(path, false))).value,
		place: (path) => at(path, false),
	};
}

/**
 * The files below the root that a caller named, or this machine's.
 *
 * @throws TypeError for what is no path, and for an empty one: a variable of a shell that is not set is not this machine.
 */
export function treeOf(root: unknown): Tree {
	if (root === undefined) return treeAt();
	const path = requirePath('options.root', root);
	if (path === '') throw invalidArgValue('options.root', 'a directory', path);
	return treeAt(path);
}
