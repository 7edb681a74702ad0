// The node kind: memory of NUMA nodes, as that which the kernel has of a device-DAX device in system-ram mode.
import { requireBoolean, requireInteger, requireKnownOptions, requireOptions, requireSize } from '../arguments.ts';
import {
	invalidArgType,
	invalidArgValue,
	invalidState,
	invalidThis,
	refusal,
	type SystemError,
	systemRefusal,
} from '../errors.ts';
import { checkJobOptions } from '../jobs.ts';
import { type KindHold, type NodeKindRequest, native } from '../native.ts';
import { nameKind } from './attaching.ts';
import { isDebugging } from './debug.ts';
import { isConnected } from './fast-path.ts';
import type { KindProgressOptions } from './jobs.ts';
import { Kind } from './kind.ts';
import { makeKind, makeKindAsync, type Recipe } from './making.ts';
import { kmemNodes, requireNodes } from './nodes.ts';
import { type CheckedNotices, checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { minPmemSize } from './pmem-kind.ts';
import { stackOf } from './stacks.ts';

const { chunkSize } = native.kindLayout;

const policies = ['bind', 'preferred', 'interleave'] as const;
const hugePageModes = ['default', 'always', 'never'] as const;

export interface NodeKindOptions extends KindNoticeOptions {
	/**
	 * - `bind`: memory of these nodes alone; when they are full, the kind is out of memory (MPOL_BIND).
	 * - `preferred`: of these nodes as long as they have room, then of others (MPOL_PREFERRED_MANY; before Linux 5.15, of the first node).
	 * - `interleave`: page by page of each in turn, for bandwidth (MPOL_INTERLEAVE).
	 *
	 * Default `bind`.
	 */
	policy?: 'bind' | 'preferred' | 'interleave';
	/** With `'kmem'`: only the nearest node, or those that are equally near, to the processor that this thread runs on. Default false. */
	nearest?: boolean;
	/**
	 * What the kind can hold, in bytes: at least 16 MiB, rounded up to 2 MiB. It takes memory as blocks are allocated, never more than this.
	 * Default 0: what the nodes have in all; with `prefault`, what they can give now.
	 */
	maxSize?: number;
	/**
	 * Transparent huge pages: as the machine is set up (/sys/kernel/mm/transparent_hugepage/enabled), `always` (MADV_HUGEPAGE), or `never`
	 * (MADV_NOHUGEPAGE). Default `default`.
	 */
	hugePages?: 'default' | 'always' | 'never';
	/** Take all of `maxSize` now, so that no later allocation can find the nodes full. Kept until `purge` or `close`. Default false. */
	prefault?: boolean;
	/** As of a {@link PmemKind}. */
	debug?: boolean;
}

/** Where memory of a kind is. */
export interface NumaNodeUse {
	/** The NUMA node. */
	node: number;
	/** Bytes of the kind that are on it. */
	bytes: number;
}

const names = ['policy', 'nearest', 'maxSize', 'hugePages', 'prefault', 'debug', ...noticeOptions];
const asyncNames = [...names, 'signal', 'onProgress'];

interface Checked {
	request: NodeKindRequest;
	notices: CheckedNotices;
}

/** The largest number of a node that any kernel has. */
const mostNode = 1023;

function requireOneOf<T extends string>(name: string, value: unknown, known: readonly T[]): T {
	if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
	const found = known.find((one) => one === value);
	if (found === undefined) throw invalidArgValue(name, `one of ${known.map((one) => `'${one}'`).join(', ')}`, value);
	return found;
}

function nodesFor(given: unknown, nearest: boolean): number[] {
	if (given === 'kmem') return kmemNodes(native.currentNode(), nearest);
	const list = Array.isArray(given) ? given : [given];
	if (typeof given !== 'number' && !Array.isArray(given)) {
		throw invalidArgType('nodes', "a number, an array of numbers or 'kmem'", given);
	}
	if (list.length === 0) throw invalidArgValue('nodes', 'an array with the number of at least one node', '[]');
	// Array.from has a hole as what it reads as.
	const nodes = [...new Set(Array.from(list, (node) => requireInteger('nodes', node, 0, mostNode)))];
	requireNodes(nodes);
	return nodes;
}

function checkOptions(given: unknown, options: unknown, known: string[]): Checked {
	const settings = requireOptions<NodeKindOptions>('options', options as NodeKindOptions);
	requireKnownOptions('options', settings, known);
	const { policy = 'bind', nearest = false, maxSize = 0, hugePages = 'default', prefault = false } = settings;
	const { debug = isDebugging() } = settings;
	const policyNumber = policies.indexOf(requireOneOf('options.policy', policy, policies));
	const hugePageNumber = hugePageModes.indexOf(requireOneOf('options.hugePages', hugePages, hugePageModes));
	requireBoolean('options.nearest', nearest);
	if (nearest && given !== 'kmem') throw invalidArgValue('options.nearest', "false unless nodes is 'kmem'", nearest);
	if (maxSize !== 0) requireSize('options.maxSize', maxSize, minPmemSize);
	requireBoolean('options.prefault', prefault);
	requireBoolean('options.debug', debug);
	const notices = checkNotices(settings);
	const nodes = nodesFor(given, nearest);
	const path = nodes.length === 1 ? `NUMA node ${nodes[0]}` : `NUMA nodes ${nodes.join(', ')}`;
	const size = Math.ceil(maxSize / chunkSize) * chunkSize;
	const list = new Uint8Array(new Uint16Array(nodes).buffer);
	return { request: [path, list, policyNumber, hugePageNumber, size, prefault, debug], notices };
}

/** Gives an error of native code its reason. */
function explained(error: unknown, path: string): unknown {
	if (!(error instanceof Error)) return error;
	const { code, syscall } = error as SystemError;
	if (syscall === 'read') {
		const what = `How much memory ${path} has cannot be read in /sys/devices/system/node`;
		const remedy = 'mount sysfs at /sys; in a container, give it that of the host';
		return Object.assign(refusal('ERR_DAXKIND_NO_SYSFS', path, what, remedy), { cause: error });
	}
	if (syscall === 'mbind' && code === 'EINVAL') {
		const what = `The kernel has no memory for this process on ${path}`;
		return Object.assign(
			refusal('ERR_DAXKIND_NO_NODE', path, what, 'name nodes that have: /sys/devices/system/node/has_memory'),
			{
				cause: error,
			},
		);
	}
	if (syscall === 'open' && code === 'ENOENT') {
		const what = `There is no ${path}, or no sysfs that shows it`;
		return Object.assign(refusal('ERR_DAXKIND_NO_NODE', path, what, 'mount sysfs at /sys'), { cause: error });
	}
	if (code === 'ENOSPC') {
		const what = `${path} has no room for all of the kind now`;
		return Object.assign(
			refusal('ERR_DAXKIND_NODE_FULL', path, what, 'give a smaller maxSize, or do without prefault'),
			{
				cause: error,
			},
		);
	}
	return sandboxed(error, path);
}

/** On which nodes the memory of a kind is, the most first. */
function usesOf(id: number): NumaNodeUse[] {
	const table = native.kindNodes(id) ?? new Float64Array();
	const rows = Array.from({ length: table.length / 2 }, (_, row) => ({
		node: table[2 * row]!,
		bytes: table[2 * row + 1]!,
	}));
	return rows.sort((one, other) => other.bytes - one.bytes);
}

/** Gives the error of a sandbox, as the seccomp profile of a container runtime is one, its reason. */
function sandboxed(error: unknown, path: string): unknown {
	const { code, errno, syscall } = error as SystemError;
	if ((syscall !== 'mbind' && syscall !== 'move_pages') || (code !== 'EPERM' && code !== 'ENOSYS')) return error;
	const remedy = 'docker run --cap-add SYS_NICE, or a seccomp profile that allows mbind and move_pages';
	return systemRefusal(errno, syscall, path, 'a sandbox does not let this process choose NUMA nodes', remedy);
}

/**
 * Volatile memory of NUMA nodes: anonymous memory that mbind has the kernel take from there. It is memkind's DAX_KMEM kinds for what
 * `daxctl reconfigure-device --mode=system-ram` (or daxkind's) gave to the kernel, and works on any node.
 *
 * | memkind | here |
 * | --- | --- |
 * | MEMKIND_DAX_KMEM | `NodeKind.create('kmem', { nearest: true })` |
 * | MEMKIND_DAX_KMEM_ALL | `NodeKind.create('kmem')` |
 * | MEMKIND_DAX_KMEM_PREFERRED | `NodeKind.create('kmem', { nearest: true, policy: 'preferred' })` |
 * | MEMKIND_DAX_KMEM_INTERLEAVE | `NodeKind.create('kmem', { policy: 'interleave' })` |
 *
 * A node that is full is an OutOfMemoryError. To the kernel it would be a reason to kill the process, also with room on other nodes; so the
 * kind faults memory in when it takes it, in steps, and only while the nodes have more to give than the kernel needs itself. Programs that
 * do not ask can still take what is left at the same moment; `prefault` is the way to be sure.
 *
 * ```js
 * import { NodeKind } from 'daxkind';
 *
 * const kind = NodeKind.create(0, { maxSize: 64 * 1024 * 1024 });
 * const block = kind.malloc(1024 * 1024);
 * console.log(kind.nodes());
 * kind.free(block);
 * kind.close();
 * ```
 */
export class NodeKind extends Kind {
	declare readonly type: 'node';
	/** The nodes that its memory is to come from. Which of several is used first is the kernel's choice; before Linux 5.15 a kind with policy `preferred` has the first alone. */
	readonly wanted: readonly number[];
	readonly policy: 'bind' | 'preferred' | 'interleave';
	/** Of the hold. */
	readonly #id: number;
	#hasWarned = false;

	static {
		nameKind('node', NodeKind, (hold) => new NodeKind(hold));
	}

	private constructor(hold: KindHold) {
		super(hold, 'NodeKind.create(nodes)');
		this.#id = hold.id;
		this.wanted = Object.freeze([...hold.nodes]);
		this.policy = policies[hold.policy]!;
	}

	/**
	 * Creates a kind on nodes: mmap(MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE), mbind.
	 *
	 * @param nodes The number of a node, an array of them, or `'kmem'`: the nodes of all devices in system-ram mode, the nearest first.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE.
	 * @throws Error with `path` and `remedy`: ERR_DAXKIND_NO_NODE for one that is not there, has no memory, or that this process may not
	 *   use; ERR_DAXKIND_NO_KMEM; ERR_DAXKIND_NODE_FULL with `prefault`.
	 * @throws A system error: ENOMEM (mmap); EPERM or ENOSYS (mbind) in a sandbox, with `remedy`.
	 */
	static create(nodes: number | readonly number[] | 'kmem', options: NodeKindOptions = {}): NodeKind {
		const stack = stackOf(NodeKind.create);
		return makeKind(NodeKind.#recipe(checkOptions(nodes, options, names)), stack);
	}

	/**
	 * As `create`, by a thread of its own: with `prefault` it can take seconds.
	 *
	 * @throws As `create`; ENOMEM (malloc); EAGAIN (pthread_create) if there is no thread to be had; the signal's reason. Nothing stays
	 *   behind then.
	 */
	static async createAsync(
		nodes: number | readonly number[] | 'kmem',
		options: NodeKindOptions & KindProgressOptions = {},
	): Promise<NodeKind> {
		const stack = stackOf(NodeKind.createAsync);
		const checked = checkOptions(nodes, options, asyncNames);
		return makeKindAsync(NodeKind.#recipe(checked), stack, checkJobOptions(options));
	}

	static #recipe(checked: Checked): Recipe<NodeKind> {
		return {
			create: () => native.kindCreateNode(...checked.request),
			createAsync: () => native.kindCreateNodeAsync(...checked.request),
			kindOf: (hold) => new NodeKind(hold),
			notices: checked.notices,
			explained: (error) => explained(error, checked.request[0]),
		};
	}

	/**
	 * As of every kind.
	 *
	 * @throws ERR_DAXKIND_NODE_FULL with `path` and `remedy` if the nodes cannot give all of it; ERR_INVALID_STATE after `close`; the
	 *   signal's reason.
	 */
	override async prefaultAsync(options?: KindProgressOptions): Promise<void> {
		try {
			await super.prefaultAsync(options);
		} catch (error) {
			throw explained(error, this.path);
		}
	}

	/**
	 * On which nodes the kind's memory really is (move_pages), the most first. It can be elsewhere than it was taken from: when a memory
	 * block goes offline, or a device pins a page of zone Movable, the kernel moves what is there to other nodes, whatever the policy is.
	 * Exact up to 128 MiB; of more, what pages here and there tell. Some milliseconds. Of a kind with policy `bind` the first time is
	 * also a warning of the process, DAXKIND_MEMORY_MOVED.
	 *
	 * @throws Error ERR_INVALID_STATE after `close`; a system error of move_pages: EPERM or ENOSYS in a sandbox, with `remedy`.
	 */
	nodes(): NumaNodeUse[] {
		if (!(#id in this)) throw invalidThis('NodeKind');
		if (!isConnected(this)) throw invalidState('the kind is closed');
		let uses: NumaNodeUse[];
		try {
			uses = usesOf(this.#id);
		} catch (error) {
			throw sandboxed(error, this.path);
		}
		const moved = this.policy === 'bind' ? uses.filter(({ node }) => !this.wanted.includes(node)) : [];
		if (moved.length > 0 && !this.#hasWarned) {
			this.#hasWarned = true;
			const where = moved.map(({ node, bytes }) => `${bytes} bytes on node ${node}`).join(', ');
			process.emitWarning(
				`Memory of the kind on ${this.path} is elsewhere: ${where}. A memory block has gone offline, or a device has pinned pages`,
				{ code: 'DAXKIND_MEMORY_MOVED' },
			);
		}
		return uses;
	}
}
