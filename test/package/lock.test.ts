// package-lock.json is for every machine. The machine that made it easily leaves its own traces in it.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Locked {
	resolved?: string;
	optionalDependencies?: Record<string, string>;
}

const text = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8');
const { packages } = JSON.parse(text) as { packages: Record<string, Locked> };

/** Whether a package in the folder `from` would find a package of this name, there or in a folder above. */
function isFound(name: string, from: string): boolean {
	if (`${from === '' ? '' : `${from}/`}node_modules/${name}` in packages) return true;
	return from !== '' && isFound(name, from.replace(/(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+$/, ''));
}

test('it has the optional packages of all platforms, without which `npm ci` refuses it', () => {
	const wanted = Object.entries(packages).flatMap(([folder, { optionalDependencies }]) =>
		Object.keys(optionalDependencies ?? {}).map((name) => ({ name, folder })),
	);
	expect(wanted.length).toBeGreaterThan(0);
	expect(wanted.filter(({ name, folder }) => !isFound(name, folder))).toEqual([]);
});

test('it names no address from which a package came: every registry has them', () => {
	const named = Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined);
	expect(named).toEqual([]);
});
