// A directory that this machine shares with the guest of `npm test`, if virtiofsd works here.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './steps.mjs';

/** Why this machine cannot share directories with virtiofsd. Undefined if it can. */
export async function virtiofsObstacle() {
	if (process.getuid?.() !== 0) return 'virtiofsd needs root';
	const { missingVmPackages } = await import('#lib/vm/index.js');
	const missing = missingVmPackages(['virtiofs']);
	if (missing.length > 0) return `virtiofsd needs ${missing.join(', ')}`;
	// virtiofsd puts itself into a sandbox. Some containers do not allow that.
	const { status } = await run('unshare', ['--mount', '--pid', '--net', '--fork', 'true'], { capture: true });
	return status === 0 ? undefined : 'virtiofsd has to make namespaces, and this machine refuses that';
}

/**
 * Makes the directory.
 *
 * @returns The options of `daxkind vm` (none where virtiofsd does not work), and a function that removes the directory.
 */
export async function shareDirectory() {
	if (await virtiofsObstacle()) return { options: [], remove: () => {} };
	const directory = mkdtempSync(join(tmpdir(), 'daxkind-share-'));
	writeFileSync(join(directory, 'from-the-host'), 'made on the host\n');
	return { options: ['--virtiofs', directory], remove: () => rmSync(directory, { recursive: true, force: true }) };
}
