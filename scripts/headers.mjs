// Finds Node's C headers on this machine, so that node-gyp downloads nothing.
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StepError } from './steps.mjs';

/**
 * The directory that node-gyp calls nodedir. Its include/node/ has node_api.h.
 *
 * @throws StepError if there is none. The message says what to do.
 */
export function nodeDirectory() {
	const candidates = [
		process.env.npm_config_nodedir,
		// Beside bin/: so have it the archives of nodejs.org, the packages of NodeSource, nvm, and npm's own `node`
		// package.
		dirname(dirname(process.execPath)),
		dirname(dirname(realpathSync(process.execPath))),
		process.config.variables.node_prefix,
		// Debian's libnode-dev.
		'/usr',
		'/usr/local',
	];
	const found = candidates.find((prefix) => prefix && existsSync(join(prefix, 'include/node/node_api.h')));
	if (found) return found;
	throw new StepError(
		`Node's C headers are missing: no include/node/node_api.h beside ${process.execPath}.\n` +
			"Use Node from nodejs.org, NodeSource or nvm, which bring them; or, with Debian's own nodejs package, run:\n" +
			'  apt-get install -y libnode-dev\n' +
			'Or set npm_config_nodedir to the directory whose include/node/ holds node_api.h.',
	);
}
