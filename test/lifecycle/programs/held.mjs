// What the process that calls this holds.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The targets of its descriptors, and the lines of its mappings. */
export function held() {
	const links = readdirSync('/proc/self/fd').map((fd) => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`);
		} catch {
			// It was closed meanwhile.
			return '';
		}
	});
	return [...links, ...readFileSync('/proc/self/maps', 'utf8').split('\n')];
}
