// Says what a path is that is neither a file nor a directory, for the errors of calls that were given it.
import { explain } from '../dax/index.ts';
import { withFix } from '../errors.ts';

/**
 * What the path is and what to do with it, as a clause: a device-DAX node, a block device… undefined for a file or
 * directory, and for a path that cannot be looked at.
 */
export function whyNoFile(path: string): string | undefined {
	try {
		const { link, verdict, finding, remedy } = explain(path).checks[0]!;
		if (link !== 'path' || verdict === 'ok') return undefined;
		return remedy === undefined ? finding : withFix(finding, remedy);
	} catch {
		// The caller has an error already.
		return undefined;
	}
}
