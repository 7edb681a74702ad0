// Node's own FastBuffer: a Uint8Array with Buffer's prototype, whose constructor costs no more than Uint8Array's.
import { Buffer } from 'node:buffer';

export const FastBuffer = (
	Buffer as unknown as { [Symbol.species]: new (...args: BufferArguments) => NonSharedBuffer }
)[Symbol.species];
export type BufferArguments = [buffer: ArrayBuffer, byteOffset: number, length: number];
