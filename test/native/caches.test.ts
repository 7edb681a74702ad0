// A build for a processor whose caches go by virtual addresses. The compiler is made to believe that this is one.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { spawnSync } from '../helpers/children.ts';

const native = fileURLToPath(new URL('../../native', import.meta.url));

function compiles(assertion: string, architecture: string[]): boolean {
	const source = `#include "region/caches.h"\nstatic_assert(${assertion});\n`;
	const words = ['-std=c++17', '-fsyntax-only', `-I${native}`, ...architecture, '-x', 'c++', '-'];
	const { status, error } = spawnSync('cc', words, { input: source });
	if (error) throw error;
	return status === 0;
}

test.each(['arm', 'mips', 'sparc', 'sh', 'xtensa'])('a build for %s refuses memory on DAX', (name) => {
	const architecture = ['-U__x86_64__', '-U__aarch64__', `-D__${name}__`];
	expect(compiles('daxkind::kCachesMayAlias', architecture)).toBe(true);
});

test('a build for this machine does not', () => {
	expect(compiles('!daxkind::kCachesMayAlias', [])).toBe(true);
});
