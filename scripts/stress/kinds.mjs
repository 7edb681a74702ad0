// The kinds that a stress run works on, one after the other, and what has to be true of each at its end.
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FixedKind, isDax, mapFile, PmemKind } from 'daxkind';
import { StressFailure } from './crew.mjs';

/** The sorts of kinds, in turn. */
export const sorts = ['default', 'conservative', 'fixed'];

/**
 * Makes a kind.
 *
 * @returns `dax`: whether it is on DAX. `release`: to be called when all have closed it.
 */
export function openKind(sort, directory, { size, debug, requireDax }) {
	if (sort !== 'fixed') {
		const kind = PmemKind.create(directory, { maxSize: size, policy: sort, debug, requireDax });
		return { kind, dax: kind.dax, release: () => {} };
	}
	const path = join(directory, `daxkind-stress-${process.pid}`);
	const descriptor = openSync(path, 'wx', 0o600);
	try {
		ftruncateSync(descriptor, size);
		const mapping = mapFile(path);
		const dax = isDax(path);
		if (requireDax && !dax) throw new StressFailure(`a file in ${directory} is not on DAX`);
		return { kind: FixedKind.create(mapping, { debug }), dax, release: () => mapping.unmap() };
	} finally {
		closeSync(descriptor);
		rmSync(path, { force: true });
	}
}

/** The address at which the memory of a kind in that directory begins, from the kernel. */
export function baseOf(directory, capacity) {
	for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
		const [, from, to, path] = /^(\w+)-(\w+) .{4} \w+ \S+ \d+ +(.*) \(deleted\)$/.exec(line) ?? [];
		const [start, end] = [from, to].map((address) => Number.parseInt(address, 16));
		if (path?.startsWith(`${directory}/`) && end - start === capacity) return start;
	}
	return undefined;
}

/** Bytes that debug mode adds to a block. */
const redZones = 32;

/**
 * Asks again until there is an answer, for 30 s at most: the garbage collector, and blocks in others' thread caches,
 * take time.
 */
async function eventually(question) {
	for (const end = performance.now() + 30_000; ; await sleep(20)) {
		const answer = await question();
		if (answer !== undefined || performance.now() > end) return answer;
	}
}

/** Checks that `least` to `most` blocks are left after all workers have freed everything. */
export async function checkEmptied(kind, crew, { least, most }) {
	const isRight = await eventually(async () => {
		const { blocks, allocated } = kind.stats();
		if (blocks >= least && blocks <= most && (most > 0 || allocated === 0)) return true;
		await crew.ask('gc');
		return undefined;
	});
	if (isRight) return;
	const { classes, large } = kind.sizeClasses();
	const left = classes.filter(({ blocks }) => blocks !== 0);
	const report = { least, most, stats: kind.stats(), left, large };
	throw new StressFailure('all blocks were freed, but the kind holds a wrong number of blocks', report);
}

/** Checks that an empty kind has room for one block as large as itself, and gives back all of its storage. */
export async function checkWhole(kind, crew, sort) {
	const whole = await eventually(() => kind.tryMalloc(kind.capacity - (kind.debug ? redZones : 0)));
	if (whole === undefined) {
		throw new StressFailure('an empty kind has no room for one large block', { stats: kind.stats() });
	}
	kind.free(whole);
	await crew.ask('purge');
	kind.purge();
	const { capacity, free, largestFree, active, cached, committed, resident } = kind.stats();
	const isClean = free === capacity && largestFree === capacity && active === 0 && cached === 0;
	const isReturned = sort === 'fixed' || (committed === 0 && resident < 8 * 2 ** 20);
	const { classes, large } = kind.sizeClasses();
	const others = classes.filter(({ slabs, blocks, cached, free }) => slabs + blocks + cached + free !== 0);
	if (!isClean || !isReturned || others.length > 0 || large.blocks + large.cached !== 0) {
		throw new StressFailure('an empty kind is not clean after purge', { stats: kind.stats(), others, large });
	}
}

/** Checks that no file of a kind is left open. */
export function checkDescriptors(directory) {
	const links = readdirSync('/proc/self/fd').map((name) => {
		try {
			return readlinkSync(`/proc/self/fd/${name}`);
		} catch {
			return '';
		}
	});
	const left = links.filter((link) => link.startsWith(`${directory}/`) && link.endsWith(' (deleted)'));
	if (left.length > 0) throw new StressFailure('files of closed kinds are still open', { left });
}
