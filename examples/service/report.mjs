// Describes for a person what the service and its load have done.
import { explain } from 'daxkind/dax';

/** 12345.6 as `12,346`. */
export const formatCount = (count) => Math.round(count).toLocaleString('en-US');

/** Bytes in the largest unit that leaves a number of at least 1. */
export function formatBytes(bytes) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	const unit = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
	return `${Number((bytes / 1024 ** unit).toPrecision(3))} ${units[unit]}`;
}

/**
 * Rows of a name and its lines. All lines begin in the same column. There are no colours, because logs have this text,
 * too.
 */
export function formatRows(rows) {
	const column = Math.max(...rows.map(([name]) => name.length)) + 2;
	return rows.map(([name, ...lines]) => name.padEnd(column) + lines.join(`\n${' '.repeat(column)}`)).join('\n');
}

/** Where the values are, and whether that is DAX. */
export function describeKind(kind, place) {
	const not = kind.dax === undefined ? 'not known' : 'NO';
	const dax = kind.dax ? 'yes: loads and stores go to the medium' : `${not}: ${explain(kind.path).reason}`;
	return [
		['where', `${kind.path} (${place.what})`],
		['DAX', dax],
		['mapped with', kind.mapping === 'sync' ? 'MAP_SYNC' : 'MAP_SHARED (volatile memory needs no MAP_SYNC)'],
		['granularity', kind.granularity],
		['capacity', formatBytes(kind.capacity)],
	];
}

/** What happened. */
export function describeLoad({ load, peakBlocks, blocksLeft, peakBytes, pairs, gc, heapUsed }) {
	const requests = load.put + load.replace + load.get + load.delete;
	const verdict = load.failed === 0 ? 'every byte is right' : `${formatCount(load.failed)} FAILURES`;
	const rest = blocksLeft === 0 ? 'none left at the end' : `${formatCount(blocksLeft)} LEFT at the end: a leak`;
	const formatPair = ({ size, kindNs, bufferNs }) => {
		const [ours, theirs] = [kindNs, bufferNs].map((ns) => formatCount(ns).padStart(6));
		return `${formatBytes(size).padStart(7)} ${ours} ns   (Buffer.allocUnsafeSlow ${theirs} ns)`;
	};
	return [
		[
			'requests',
			`${formatCount(requests)} in ${load.seconds.toFixed(1)} s: ${formatCount(requests / load.seconds)} per second`,
			...(load.isCutShort ? ['ended early, because this machine is slow'] : []),
			`${formatCount(load.put)} stored, ${formatCount(load.replace)} replaced, ` +
				`${formatCount(load.get)} read, ${formatCount(load.delete)} deleted`,
		],
		['verified', `${formatCount(load.get)} answers, ${formatBytes(load.verifiedBytes)}: ${verdict}`, ...load.failures],
		['blocks', `${formatCount(peakBlocks)} at most, ${formatBytes(peakBytes)} of values; ${rest}`],
		['malloc + free', ...pairs.map(formatPair)],
		[
			'GC',
			`${gc.ms.toFixed(0)} ms in ${formatCount(gc.runs)} runs: ` +
				`${((gc.ms / (load.seconds * 1000)) * 100).toFixed(1)} % of the time that the load took`,
			`V8 heap ${formatBytes(heapUsed)}; the values are outside it`,
		],
	];
}
