// Links between the pages, and from the pages to files of the repository.
import { existsSync, readFileSync } from 'node:fs';
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

test('every link of a page in the package leads to a file in the package', () => {
	const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
	// npm packs the first two in any case.
	const packed = ['README.md', 'LICENSE', ...files];
	const isPacked = (path: string) => packed.some((name) => path === name || path.startsWith(`${name}/`));
	const dead = pages.filter(isPacked).flatMap((page) =>
		linksOf(page)
			.filter((link) => !/^([a-z]+:|#)/.test(link))
			.map((link) => normalize(join(dirname(page), link.replace(/#.*/, ''))))
			.filter((target) => !isPacked(target))
			.map((target) => `${page}: ${target}`),
	);
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
