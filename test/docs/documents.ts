// The pages that people read in the repository, taken apart.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const below = (directory: string): string[] =>
	readdirSync(join(root, directory), { recursive: true })
		.map((name) => join(directory, String(name)))
		.filter((name) => name.endsWith('.md'));

/** All pages, by their paths in the repository. */
export const pages: readonly string[] = [
	...readdirSync(root).filter((name) => name.endsWith('.md')),
	...below('docs'),
	...below('examples'),
].sort();

const text = (page: string) => readFileSync(join(root, page), 'utf8');

/** A page without its fenced blocks. */
const prose = (page: string) => text(page).replace(/^```.*?^```$/gms, '');

/** The targets of a page's links, as they are written. */
export function linksOf(page: string): string[] {
	return [...prose(page).matchAll(/\]\(([^()\s]+)\)/g)].map((match) => match[1]!);
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): Set<string> {
	const anchors = new Set<string>();
	for (const [, heading] of prose(page).matchAll(/^#{1,6} +(.+)$/gm)) {
		const slug = heading!
			.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
			.toLowerCase()
			.replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
			.replaceAll(' ', '-');
		let anchor = slug;
		for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
		anchors.add(anchor);
	}
	return anchors;
}

/** The fenced blocks of a page in one language. */
export function blocksOf(page: string, language: string): string[] {
	return [...text(page).matchAll(/^```(\S*)\n(.*?)^```$/gms)]
		.filter((match) => match[1] === language)
		.map((match) => match[2]!);
}
