// What the process that asks holds.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The links of its descriptors and the lines of its mappings. */
export function held() {
	const links = readdirSync('/proc/self/fd').map((fd) => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`);
		} catch {
			// Closed meanwhile.
			return '';
		}
	});
	return [...links, ...readFileSync('/proc/self/maps', 'utf8').split('\n')];
}
