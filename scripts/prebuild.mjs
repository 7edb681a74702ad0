// npm run prebuilds (`prebuild` would be a hook of `build`): the stripped binary that the package ships for this platform,
// prebuilds/linux-<arch>/, checked by loading it. Headers come from this machine, as in the bootstrap; prebuildify leaves
// build/ without a binary, so the next command builds again.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { nodeDirectory } from './headers.mjs';
import { main, root, StepError, step, tool } from './steps.mjs';

await main(async () => {
	await bootstrap();
	const args = ['--napi', '--strip', '--tag-libc', `--target=${process.versions.node}`];
	// prebuildify starts node-gyp by itself; this is how node-gyp hears of an option there.
	await step('prebuilt addon (prebuildify)', process.execPath, [tool.prebuildify, ...args], {
		env: { npm_config_nodedir: nodeDirectory() },
	});
	const directory = join(root, 'prebuilds', `linux-${process.arch}`);
	const load = createRequire(import.meta.url);
	for (const name of readdirSync(directory).filter((file) => file.endsWith('.node'))) {
		const exported = Object.keys(load(join(directory, name)));
		if (exported.length === 0) throw new StepError(`${name} loads, but exports nothing`);
		console.log(`${join('prebuilds', `linux-${process.arch}`, name)}: loads, ${exported.length} exports`);
	}
});
