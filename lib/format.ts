// Numbers for people.

/** Bytes in the largest unit that leaves a number of at least 1: `3.2 MiB`. */
export function formatBytes(bytes: number): string {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let unit = 0;
	let value = bytes;
	while (value >= 1024 && unit < units.length - 1) {
		value /= 1024;
		unit++;
	}
	return `${unit > 0 && value < 10 ? value.toFixed(1).replace('.0', '') : Math.round(value)} ${units[unit]}`;
}

/** 12345.6 as `12,346`. */
export const formatCount = (count: number): string => Math.round(count).toLocaleString('en-US');
