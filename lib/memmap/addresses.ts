// Addresses and quantities as the kernel prints and reads them. They become numbers that hold them exactly.

/**
 * x86 has no physical address beyond this (5-level paging: 52 bits), and a number holds every integer below 2^53. A
 * larger address in the kernel's output stands for "to the end": `e820: remove [mem 0x100000000-0xfffffffffffffffe]`.
 */
export const addressLimit = 2 ** 52;

const clamped = (value: bigint): number => (value > BigInt(addressLimit) ? addressLimit : Number(value));

/** An address in hexadecimal, without its 0x. At most {@link addressLimit}. */
export const parseAddress = (digits: string): number => clamped(BigInt(`0x${digits}`));

const shifts: ReadonlyMap<string, bigint> = new Map([
	['', 0n],
	['k', 10n],
	['m', 20n],
	['g', 30n],
	['t', 40n],
	['p', 50n],
	['e', 60n],
]);

/**
 * The number at the beginning of a text, and the text behind it, as the kernel's memparse() reads it: decimal,
 * hexadecimal with 0x, or octal with a leading 0, and then perhaps one of K, M, G, T, P and E. Undefined where there is
 * no number. At most {@link addressLimit}.
 */
export function parseQuantity(text: string): { value: number; rest: string } | undefined {
	const match = /^(0x[\da-f]+|\d+)([kmgtpe]?)(.*)$/is.exec(text);
	if (match === null) return undefined;
	const [, digits = '', suffix = '', rest = ''] = match;
	const isOctal = /^0[0-7]+$/.test(digits);
	const number = BigInt(isOctal ? `0o${digits}` : digits);
	return { value: clamped(number << shifts.get(suffix.toLowerCase())!), rest };
}
