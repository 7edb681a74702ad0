// The supported versions of Node, read from `engines` in package.json. This understands only the two forms that are
// used there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** Such as '^20.19 || >=22.12'. */
export const supportedNode = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node;

/** Whether a version such as '22.12.0' is in a range such as '^20.19 || >=22.12'. */
export function isInRange(version, range) {
	const [major, minor] = version.split('.').map(Number);
	return range.split('||').some((part) => {
		const match = /^\s*(\^|>=)(\d+)\.(\d+)\s*$/.exec(part);
		if (!match) throw new Error(`the range has a part of another form: ${part}`);
		const [, operator, leastMajor, leastMinor] = match;
		if (major === Number(leastMajor)) return minor >= Number(leastMinor);
		return operator === '>=' && major > Number(leastMajor);
	});
}
