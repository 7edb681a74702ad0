// The environment variables of libpmem2: for child processes, because most are read when a process starts, and for this
// process.
import type { PmemGranularity } from 'daxkind';

/** The environment of a child without libpmem2's variables, but with these. */
export function pmemEnvironment(variables: Record<string, string> = {}): NodeJS.ProcessEnv {
	const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PMEM'));
	return { ...Object.fromEntries(others), ...variables };
}

/** The variable that forces a granularity. */
export const forcing = (granularity: PmemGranularity) => ({
	PMEM2_FORCE_GRANULARITY: granularity.toUpperCase().replace('-', '_'),
});

/** Calls a function while PMEM2_FORCE_GRANULARITY has the value. It is read whenever a file is mapped. */
export function withForced<Result>(value: string | undefined, call: () => Result): Result {
	const before = process.env.PMEM2_FORCE_GRANULARITY;
	const set = (text: string | undefined) => {
		if (text === undefined) delete process.env.PMEM2_FORCE_GRANULARITY;
		else process.env.PMEM2_FORCE_GRANULARITY = text;
	};
	set(value);
	try {
		return call();
	} finally {
		set(before);
	}
}
