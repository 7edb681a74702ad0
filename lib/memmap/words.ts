// Amounts of memory for people. They are exact enough to show by how little something does not fit.
import { GIB, MIB } from '../size.ts';

const rounded = (value: number, digits: number): string => value.toFixed(digits).replace(/\.?0+$/, '');

/** `3.994 GiB`, `512 MiB`, `6.6 MiB`. */
export function formatSpan(bytes: number): string {
	return bytes >= GIB ? `${rounded(bytes / GIB, 3)} GiB` : `${rounded(bytes / MIB, 1)} MiB`;
}
