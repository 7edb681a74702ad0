// Links between the pages, and from the pages to files of the repository.
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { anchorsOf, linksOf, pages, root } from './documents.ts';

test('there are pages to look at', () => {
	expect(pages).toEqual(
		expect.arrayContaining(['ARCHITECTURE.md', 'CONTRIBUTING.md', 'README.md', 'SECURITY.md', 'docs/kinds.md']),
	);
});

test.each(pages)('every link of %s leads somewhere', (page) => {
	const dead = linksOf(page).filter((link) => {
		if (/^[a-z]+:/.test(link)) return !URL.canParse(link);
		const [path, anchor] = link.split('#') as [string, string?];
		const target = path === '' ? page : normalize(join(dirname(page), path));
		if (!existsSync(join(root, target))) return true;
		return anchor !== undefined && !anchorsOf(target).has(anchor);
	});
	expect(dead).toEqual([]);
});

test('every page of docs is linked from another page', () => {
	const linked = new Set(
		pages.flatMap((page) => linksOf(page).map((link) => normalize(join(dirname(page), link.replace(/#.*/, ''))))),
	);
	const lost = pages.filter((page) => page.startsWith('docs/') && !linked.has(page) && !linked.has(dirname(page)));
	expect(lost).toEqual([]);
});

test('every decision is in the index of decisions', () => {
	const decisions = pages.filter((page) => dirname(page) === 'docs/decisions' && !page.endsWith('README.md'));
	const listed = linksOf('docs/decisions/README.md').map((link) => `docs/decisions/${link}`);
	expect(listed.toSorted()).toEqual(decisions.toSorted());
});
