// A recursive change of the DAX flag, by daxkind and by xfs_io in turn on the same tree, so that each change is of all files.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setDaxFlag } from 'daxkind';

function grow(top, files, perDirectory) {
	for (let made = 0; made < files; made += perDirectory) {
		const directory = join(top, `directory-${made}`);
		mkdirSync(directory);
		for (let n = 0; n < perDirectory; n++) closeSync(openSync(join(directory, `file-${n}`), 'w'));
	}
}

function time(run) {
	const from = performance.now();
	run();
	return performance.now() - from;
}

const byXfsIo = (top, on) => execFileSync('xfs_io', ['-c', `chattr -R ${on ? '+' : '-'}x`, top]);

function byDaxkind(top, on, inodes) {
	const { changed, failures } = setDaxFlag(top, on, { recursive: true });
	if (changed !== inodes || failures.length > 0) throw failures[0] ?? new Error(`changed ${changed} of ${inodes}`);
}

/** Milliseconds of each change of `live` files, `size` in a directory. */
export function flags({ directory, size, live, samples }) {
	const top = mkdtempSync(join(directory, 'bench-flags-'));
	try {
		grow(top, live, size);
		const inodes = live + live / size + 1;
		const ms = { daxkind: [], xfs_io: [] };
		for (let sample = 0; sample < samples; sample++) {
			// Each sets once and clears once, and neither is always the first.
			const turns =
				sample % 2 === 0 ? ['daxkind', 'xfs_io', 'xfs_io', 'daxkind'] : ['xfs_io', 'daxkind', 'daxkind', 'xfs_io'];
			const once = { daxkind: 0, xfs_io: 0 };
			for (const [turn, who] of turns.entries()) {
				const on = turn % 2 === 0;
				once[who] += time(() => (who === 'daxkind' ? byDaxkind(top, on, inodes) : byXfsIo(top, on)));
			}
			for (const [who, total] of Object.entries(once)) ms[who].push(total / 2);
		}
		return { ms };
	} finally {
		rmSync(top, { recursive: true });
	}
}
