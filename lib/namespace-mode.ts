// How a namespace of persistent memory is used, in ndctl's words, by what sysfs shows of it
// (Documentation/driver-api/nvdimm/nvdimm.rst).

/**
 * `fsdax` and `raw` make /dev/pmemN, the one with a struct page for each page and so with DAX, the other without; `sector` makes
 * /dev/pmemNs, with atomic sectors and no DAX; `devdax` makes /dev/daxX.Y.
 */
export type NamespaceMode = 'fsdax' | 'devdax' | 'sector' | 'raw';

/** What claims a namespace that has an information block, by the first letters of its name. */
const claims: readonly (readonly [prefix: string, mode: NamespaceMode])[] = [
	['pfn', 'fsdax'],
	['dax', 'devdax'],
	['btt', 'sector'],
];

/**
 * The mode; undefined where neither of the two tells.
 *
 * @param holder The name of what has the namespace: pfn0.0, or its own.
 * @param kernelMode Its attribute `mode`: a namespace of the e820 table has pages by itself ("memory"); another that nobody has set up has
 * none ("raw").
 */
export function namespaceMode(holder: string | undefined, kernelMode: string | undefined): NamespaceMode | undefined {
	const claimed = claims.find(([prefix]) => holder?.startsWith(prefix))?.[1];
	if (claimed !== undefined || kernelMode === undefined) return claimed;
	return kernelMode === 'memory' ? 'fsdax' : 'raw';
}
