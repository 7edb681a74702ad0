// What the next native call on a mapping is about: numbers in memory that native code reads (docs/decisions/persistence.md).
import { requested } from '../native/mappings.ts';
import { native } from '../native.ts';

/** There when the first mapping is. */
let numbers: Float64Array | undefined;

/** Sets the numbers of the call that comes next. They are those of {@link Persistence.mappingRequest}. */
export function request(id: number, offset: number, length: number, how: number, from = 0): void {
	numbers ??= new Float64Array(native.mappingRequest);
	numbers[requested.id] = id;
	numbers[requested.offset] = offset;
	numbers[requested.length] = length;
	numbers[requested.how] = how;
	numbers[requested.from] = from;
}
