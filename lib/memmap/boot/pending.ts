// What the boot configuration gives the kernel at the next boot.
import type { Tree } from '../../tree.ts';
import { updateCommands } from './commands.ts';
import { configuredIn, wordsIn } from './configured.ts';
import { setupOf } from './detect.ts';
import { dropInPath } from './drop-in.ts';
import { bootFacts } from './facts.ts';

/** What is configured for the next boot. */
export interface PendingBoot {
	/** The files with arguments of this sort, and the arguments. */
	configured: { path: string; words: string[] }[];
	/** The commands that bring it about, the reboot last. */
	next: string[];
}

/** What a machine's boot configuration has, daxkind's own file among it, as far as this user may read it. */
export function pendingBoot(tree: Tree): PendingBoot {
	const facts = bootFacts(tree);
	const setup = setupOf(facts);
	const { elsewhere } = configuredIn(tree, facts, setup);
	const own = setup.configuration === 'grub-drop-in' ? wordsIn(tree.read(dropInPath).value ?? '') : [];
	return {
		configured: [...(own.length === 0 ? [] : [{ path: dropInPath, words: own }]), ...elsewhere],
		next: [...updateCommands({ tree, facts, setup }), 'reboot'],
	};
}
