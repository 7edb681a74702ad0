// Kinds that are closed after the test that made them.
import { PmemKind } from 'daxkind';
import { afterEach } from 'vitest';

const open: PmemKind[] = [];

/** PmemKind.create. */
export function create(...args: Parameters<typeof PmemKind.create>): PmemKind {
	const kind = PmemKind.create(...args);
	open.push(kind);
	return kind;
}

/** To be called by the file that uses create. */
export function closeAfterEach(): void {
	afterEach(() => {
		for (const kind of open.splice(0)) kind.close();
	});
}
