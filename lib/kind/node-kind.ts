// The node kind: memory of NUMA nodes. The kernel can have such memory from a device-DAX device in system-ram mode.
import { requireBoolean, requireInteger, requireOneOf, requireOptions } from '../arguments.ts';
import {
	invalidArgType,
	invalidArgValue,
	invalidState,
	invalidThis,
	noSysfs,
	refusal,
	type SystemError,
	systemRefusal,
} from '../errors.ts';
import { checkJobOptions } from '../jobs.ts';
import type { KindHold, NodeKindRequest } from '../native/kinds.ts';
import { native } from '../native.ts';
import { nameKind } from './attaching.ts';
import { isConnected } from './fast-path.ts';
import type { KindProgressOptions } from './jobs.ts';
import { Kind } from './kind.ts';
import { makeKind, makeKindAsync, type Recipe } from './making.ts';
import { kmemNodes, requireNodes } from './nodes.ts';
import { type CheckedNotices, checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { debugOf, maxSizeOf, nameOf } from './options.ts';
import { stackOf } from './stacks.ts';

const policies = ['bind', 'preferred', 'interleave'] as const;
const hugePageModes = ['default', 'always', 'never'] as const;

export interface NodeKindOptions extends KindNoticeOptions {
	/** What to call the kind in metrics and logs: `kind.name` in every thread. Default: its `path`. */
	name?: string;
	/**
	 * Which of the nodes the memory comes from:
	 * - `bind`: from these nodes alone. When they are full, the kind is out of memory (MPOL_BIND).
	 * - `preferred`: from these nodes as long as they have room, then from others (MPOL_PREFERRED_MANY; before Linux
	 *   5.15, from the first node).
	 * - `interleave`: page by page from each in turn, for bandwidth (MPOL_INTERLEAVE).
	 *
	 * Default `bind`.
	 */
	policy?: 'bind' | 'preferred' | 'interleave';
	/**
	 * With `'kmem'`: only the node that is nearest to the processor that this thread runs on, or several that are
	 * equally near. Default false.
	 */
	nearest?: boolean;
	/**
	 * How many bytes the kind can hold: at least 16 MiB, rounded up to 2 MiB. It takes memory as blocks are allocated,
	 * never more than this. Default 0: what the nodes have in all; with `prefault`, what they can give now.
	 */
	maxSize?: number;
	/**
	 * Transparent huge pages: `default` is as the machine is set up (/sys/kernel/mm/transparent_hugepage/enabled),
	 * `always` is MADV_HUGEPAGE, `never` is MADV_NOHUGEPAGE. Default `default`.
	 */
	hugePages?: 'default' | 'always' | 'never';
	/**
	 * Take all of `maxSize` now, so that no later allocation can find the nodes full. The kind keeps it until `purge`
	 * or `close`. `create` blocks for as long as that takes, which is seconds for much memory. `createAsync` does it on
	 * another thread. Default false.
	 */
	prefault?: boolean;
	/** Debug mode, as in {@link PmemKindOptions}. */
	debug?: boolean;
}

/** How much memory of a kind is on one node. */
export interface NumaNodeUse {
	/** The NUMA node. */
	node: number;
	/** How many bytes of the kind are on it. */
	bytes: number;
}

const names = ['name', 'policy', 'nearest', 'maxSize', 'hugePages', 'prefault', 'debug', ...noticeOptions];
const asyncNames = [...names, 'signal', 'onProgress'];

interface Checked {
	request: NodeKindRequest;
	name: string | undefined;
	notices: CheckedNotices;
}

/** The largest number of a node that any kernel has. */
const mostNode = 1023;

function nodesFor(given: unknown, nearest: boolean): number[] {
	if (given === 'kmem') return kmemNodes(native.currentNode(), nearest);
	const list = Array.isArray(given) ? given : [given];
	if (typeof given !== 'number' && !Array.isArray(given)) {
		throw invalidArgType('nodes', "a number, an array of numbers or 'kmem'", given);
	}
	if (list.length === 0) throw invalidArgValue('nodes', 'an array with the number of at least one node', '[]');
	// Array.from reads a hole as undefined, which is refused, too.
	const nodes = [...new Set(Array.from(list, (node) => requireInteger('nodes', node, 0, mostNode)))];
	requireNodes(nodes);
	return nodes;
}

function checkOptions(given: unknown, options: unknown, known: string[]): Checked {
	const settings = requireOptions<NodeKindOptions>('options', options as NodeKindOptions, known);
	const { policy = 'bind', nearest = false, hugePages = 'default', prefault = false } = settings;
	const policyNumber = policies.indexOf(requireOneOf('options.policy', policy, policies));
	const hugePageNumber = hugePageModes.indexOf(requireOneOf('options.hugePages', hugePages, hugePageModes));
	requireBoolean('options.nearest', nearest);
	if (nearest && given !== 'kmem') throw invalidArgValue('options.nearest', "false unless nodes is 'kmem'", nearest);
	const size = maxSizeOf(settings);
	requireBoolean('options.prefault', prefault);
	const debug = debugOf(settings);
	const name = nameOf(settings);
	const notices = checkNotices(settings);
	const nodes = nodesFor(given, nearest);
	const path = nodes.length === 1 ? `NUMA node ${nodes[0]}` : `NUMA nodes ${nodes.join(', ')}`;
	const list = new Uint8Array(new Uint16Array(nodes).buffer);
	return { request: [path, list, policyNumber, hugePageNumber, size, prefault, debug], name, notices };
}

/** Adds the reason to an error of native code. */
function explained(error: SystemError, path: string): Error {
	const { code, syscall } = error;
	if (syscall === 'read') {
		const what = `The memory size of ${path} cannot be read in /sys/devices/system/node`;
		return Object.assign(noSysfs(path, what), { cause: error });
	}
	if (syscall === 'mbind' && code === 'EINVAL') {
		const what = `The kernel has no memory for this process on ${path}`;
		return Object.assign(
			refusal('ERR_DAXKIND_NO_NODE', path, what, 'name nodes that have memory: /sys/devices/system/node/has_memory'),
			{
				cause: error,
			},
		);
	}
	if (syscall === 'open' && code === 'ENOENT') {
		const what = `${path} does not exist, or there is no sysfs that shows it`;
		return Object.assign(refusal('ERR_DAXKIND_NO_NODE', path, what, 'mount sysfs at /sys'), { cause: error });
	}
	if (code === 'ENOSPC') {
		const what = `${path} has no room for the whole kind now`;
		return Object.assign(
			refusal('ERR_DAXKIND_NODE_FULL', path, what, 'give a smaller maxSize, or do without prefault'),
			{
				cause: error,
			},
		);
	}
	return sandboxed(error, path);
}

/** On which nodes the memory of a kind is, the node with the most memory first. */
function usesOf(id: number): NumaNodeUse[] {
	const table = native.kindNodes(id) ?? new Float64Array();
	const rows = Array.from({ length: table.length / 2 }, (_, row) => ({
		node: table[2 * row]!,
		bytes: table[2 * row + 1]!,
	}));
	return rows.sort((one, other) => other.bytes - one.bytes);
}

/** Adds the reason to an error that comes from a sandbox, such as the seccomp profile of a container runtime. */
function sandboxed(error: SystemError, path: string): Error {
	const { code, errno, syscall } = error;
	if ((syscall !== 'mbind' && syscall !== 'move_pages') || (code !== 'EPERM' && code !== 'ENOSYS')) return error;
	const remedy = 'docker run --cap-add SYS_NICE, or a seccomp profile that allows mbind and move_pages';
	return systemRefusal(errno, syscall, path, 'a sandbox does not let this process choose NUMA nodes', remedy);
}

/**
 * Volatile memory of NUMA nodes: anonymous memory that mbind has the kernel take from there. It does what memkind's
 * DAX_KMEM kinds do for memory that `daxctl reconfigure-device --mode=system-ram` (or daxkind's) gave to the kernel. It
 * works on any node.
 *
 * | memkind | here |
 * | --- | --- |
 * | MEMKIND_DAX_KMEM | `NodeKind.create('kmem', { nearest: true })` |
 * | MEMKIND_DAX_KMEM_ALL | `NodeKind.create('kmem')` |
 * | MEMKIND_DAX_KMEM_PREFERRED | `NodeKind.create('kmem', { nearest: true, policy: 'preferred' })` |
 * | MEMKIND_DAX_KMEM_INTERLEAVE | `NodeKind.create('kmem', { policy: 'interleave' })` |
 *
 * A full node is an OutOfMemoryError. The kernel itself would kill the process, although other nodes have room. So the
 * kind faults memory in when it takes it, in steps, and only while the nodes have more to give than the kernel itself
 * needs. Programs that do not look can still take the rest at the same moment. `prefault` is the way to be sure.
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
	/**
	 * The nodes that its memory is to come from. If they are several, the kernel chooses which is used first. Before
	 * Linux 5.15 a kind with policy `preferred` has the first node alone.
	 */
	readonly requestedNodes: readonly number[];
	readonly policy: 'bind' | 'preferred' | 'interleave';
	/** The number of the hold in native code. */
	readonly #id: number;
	#hasWarned = false;

	static {
		nameKind('node', NodeKind, (hold) => new NodeKind(hold));
	}

	private constructor(hold: KindHold) {
		super(hold, 'NodeKind.create(nodes)', (error) => explained(error, hold.path));
		this.#id = hold.id;
		this.requestedNodes = Object.freeze([...hold.nodes]);
		this.policy = policies[hold.policy]!;
	}

	/**
	 * Creates a kind on nodes: mmap(MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE), mbind. Without `prefault` it does not
	 * block.
	 *
	 * @param nodes The number of a node, an array of them, or `'kmem'`: the nodes of all devices in system-ram mode,
	 *   the nearest first.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE.
	 * @throws Error with `path` and `remedy`: ERR_DAXKIND_NO_NODE for a node that does not exist, has no memory, or is
	 *   one that this process may not use; ERR_DAXKIND_NO_KMEM; ERR_DAXKIND_NO_SYSFS; ERR_DAXKIND_NODE_FULL with
	 *   `prefault`.
	 * @throws A system error: ENOMEM (mmap); EPERM or ENOSYS (mbind) in a sandbox, with `remedy`.
	 */
	static create(nodes: number | readonly number[] | 'kmem', options: NodeKindOptions = {}): NodeKind {
		const stack = stackOf(NodeKind.create);
		return makeKind(NodeKind.#recipe(checkOptions(nodes, options, names)), stack);
	}

	/**
	 * As `create`, but on another thread: with `prefault` it can take seconds.
	 *
	 * @throws As `create`; ENOMEM (malloc); EAGAIN (pthread_create) if no thread can be started; the signal's reason.
	 *   Nothing stays behind then.
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
			name: checked.name,
			notices: checked.notices,
			explained: (error) => explained(error, checked.request[0]),
		};
	}

	/**
	 * On which nodes the kind's memory really is (move_pages), the node with the most first. That can be other nodes
	 * than it was taken from. When a memory block goes offline, or a device pins a page of zone Movable, the kernel
	 * moves what is there, whatever the policy is.
	 *
	 * The numbers are exact up to 128 MiB. Of more memory the kernel is asked about a sample of pages. The call takes
	 * some milliseconds, in this thread. If the kind has policy `bind` and memory elsewhere, the first call that finds
	 * it is also a warning of the process, DAXKIND_MEMORY_MOVED.
	 *
	 * @throws Error ERR_INVALID_STATE after `close`; a system error of move_pages: EPERM or ENOSYS in a sandbox, with
	 *   `remedy`.
	 */
	nodes(): NumaNodeUse[] {
		if (!(#id in Object(this))) throw invalidThis('NodeKind');
		if (!isConnected(this)) throw invalidState('the kind is closed');
		let uses: NumaNodeUse[];
		try {
			uses = usesOf(this.#id);
		} catch (error) {
			throw sandboxed(error as SystemError, this.path);
		}
		const moved = this.policy === 'bind' ? uses.filter(({ node }) => !this.requestedNodes.includes(node)) : [];
		if (moved.length > 0 && !this.#hasWarned) {
			this.#hasWarned = true;
			const where = moved.map(({ node, bytes }) => `${bytes} bytes on node ${node}`).join(', ');
			process.emitWarning(
				`Memory of the kind on ${this.path} is on other nodes: ${where}. A memory block has gone offline, or a device has pinned pages`,
				{ code: 'DAXKIND_MEMORY_MOVED' },
			);
		}
		return uses;
	}
}
