// npm run docs: makes a site of the guides and the docstrings in build/docs, and checks every link in it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { main, root, StepError, step, tool } from './steps.mjs';

const site = join(root, 'build/docs');

/** The links of all pages whose target does not exist. */
function deadLinks() {
	const pages = readdirSync(site, { recursive: true }).filter((name) => name.endsWith('.html'));
	const texts = new Map(pages.map((page) => [page, readFileSync(join(site, page), 'utf8')]));
	const dead = [];
	for (const [page, text] of texts) {
		for (const [, link] of text.matchAll(/(?:href|src)="([^"]+)"/g)) {
			if (/^[a-z]+:/.test(link)) continue;
			const [path, anchor] = decodeURI(link).split('#');
			const target = path === '' ? page : normalize(join(dirname(page), path));
			const isThere = existsSync(join(site, target));
			const hasAnchor = !anchor || !texts.has(target) || texts.get(target).includes(` id="${anchor}"`);
			if (!isThere || !hasAnchor) dead.push(`${page}: ${link}`);
		}
	}
	return dead;
}

await main(async () => {
	await bootstrap({ native: false });
	await step('site (typedoc)', process.execPath, [tool.typedoc, '--treatWarningsAsErrors']);
	const dead = deadLinks();
	if (dead.length > 0) throw new StepError(`Links that lead nowhere:\n  ${dead.join('\n  ')}`);
	console.log(`Open ${join('build/docs', 'index.html')} in a browser.`);
});
