// What the boot configuration will give the kernel at the next boot.
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
	/** The commands that put it into effect. The reboot is the last. */
	next: string[];
}

/** What the boot configuration of a machine has, as far as this user may read it. daxkind's own file is included. */
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
