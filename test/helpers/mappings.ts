// Mappings of files for tests: made and unmapped with a test, and as the kernel shows them.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { mapFile } from '#lib/mapping/index.js';
import { temporaryDirectory, tmpfs } from './temporary-directory.ts';

/** Makes a file of zeros in a directory of its own, which goes with the test. */
export function zeroFile(length: number, parent = tmpfs): string {
	const path = join(temporaryDirectory(parent), 'file');
	writeFileSync(path, '');
	truncateSync(path, length);
	return path;
}

/** Calls mapFile. The mapping is unmapped after the test. */
export function map(...parameters: Parameters<typeof mapFile>) {
	const mapping = mapFile(...parameters);
	onTestFinished(() => mapping.unmap());
	return mapping;
}

/** The flags of the mapping that holds this file, from smaps. */
export function mappingFlags(path: string): string[] {
	const text = readFileSync('/proc/self/smaps', 'utf8');
	return text
		.slice(text.indexOf(path))
		.match(/^VmFlags: (.*)$/m)![1]!
		.trim()
		.split(' ');
}
