// npm run prebuilds (`prebuild` would be a hook of `build`): the stripped binary that the package ships for this platform,
// prebuilds/linux-<arch>/, checked by loading it. `npm pack` does the same with --if-needed: a package without a binary for
// the machine that made it would be of no use there. Headers come from this machine, as in the bootstrap; prebuildify
// leaves build/ without a binary, so the next command builds again.
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { bootstrap, isOlder } from './bootstrap.mjs';
import { nodeDirectory } from './headers.mjs';
import { install, missingBuildPackages } from './packages.mjs';
import { main, root, StepError, step, tool } from './steps.mjs';

/** The binary that a user of the package would load here, or undefined. */
function prebuilt() {
	process.env.PREBUILDS_ONLY = '1';
	try {
		return createRequire(import.meta.url)('node-gyp-build').resolve(root);
	} catch {
		return undefined;
	}
}

async function prebuild() {
	const missing = missingBuildPackages();
	if (missing.length > 0) await install(missing);
	const args = ['--napi', '--strip', '--tag-libc', `--target=${process.versions.node}`];
	// prebuildify starts node-gyp by itself; this is how node-gyp hears of an option there.
	await step('prebuilt addon (prebuildify)', process.execPath, [tool.prebuildify, ...args], {
		env: { npm_config_nodedir: nodeDirectory() },
	});
}

await main(async (args) => {
	await bootstrap({ native: false });
	const binary = prebuilt();
	const isNeeded = binary === undefined || isOlder(binary, 'native', 'binding.gyp');
	if (isNeeded || !args.includes('--if-needed')) await prebuild();
	const path = prebuilt();
	if (path === undefined) throw new StepError('prebuildify has made no binary for this platform');
	const exported = Object.keys(createRequire(import.meta.url)(path));
	if (exported.length === 0) throw new StepError(`${path} loads, but exports nothing`);
	console.log(`${relative(root, path)}: loads, ${exported.length} exports`);
});
