// How long it takes to inspect a file and a directory, everything opened and read anew each time.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, inspect } from 'daxkind/dax';

function timesOf(call, count) {
	return Array.from({ length: count }, () => {
		const from = performance.now();
		call();
		return performance.now() - from;
	});
}

/** Milliseconds of each call; the first of all are for the compiler and are not counted. */
export function inspectPaths({ directory, live }) {
	const own = mkdtempSync(join(directory, 'bench-inspect-'));
	try {
		const file = join(own, 'file');
		writeFileSync(file, Buffer.alloc(2 ** 22));
		const calls = {
			'inspect, file': () => inspect(file),
			'inspect, directory': () => inspect(own),
			'explain, file': () => explain(file),
		};
		for (const call of Object.values(calls)) timesOf(call, live / 10);
		return { ms: Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, timesOf(call, live)])) };
	} finally {
		rmSync(own, { recursive: true });
	}
}
