// The mode of a namespace of persistent memory, in ndctl's words, as sysfs shows it
// (Documentation/driver-api/nvdimm/nvdimm.rst).

/**
 * - `fsdax`: /dev/pmemN with a struct page for each page, and so with DAX.
 * - `raw`: /dev/pmemN without these, and without DAX.
 * - `sector`: /dev/pmemNs, with atomic sectors and without DAX.
 * - `devdax`: /dev/daxX.Y.
 */
export type NamespaceMode = 'fsdax' | 'devdax' | 'sector' | 'raw';

/** The devices that claim a namespace with an information block, by the first letters of their names. */
const claims: readonly (readonly [prefix: string, mode: NamespaceMode])[] = [
	['pfn', 'fsdax'],
	['dax', 'devdax'],
	['btt', 'sector'],
];

/**
 * The mode. undefined if neither argument tells it.
 *
 * @param holder The name of the device that has the namespace: pfn0.0, or the namespace's own.
 * @param kernelMode The namespace's attribute `mode`. A namespace of the e820 table has struct pages by itself
 *   ("memory"). Another one that nobody has set up has no struct pages ("raw").
 */
export function namespaceMode(holder: string | undefined, kernelMode: string | undefined): NamespaceMode | undefined {
	const claimed = claims.find(([prefix]) => holder?.startsWith(prefix))?.[1];
	if (claimed !== undefined || kernelMode === undefined) return claimed;
	return kernelMode === 'memory' ? 'fsdax' : 'raw';
}
