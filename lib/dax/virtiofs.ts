// Whether a virtiofs share has a DAX window: the shared memory that the host maps its page cache into. No attribute says so, but a PCI
// device with such memory has a capability for it (virtio 1.2, 4.1.4.7). Only root can read a device's capabilities.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { attempt } from '../attempt.ts';
import { listDirectory, resolveLink } from '../sysfs.ts';

// PCI Local Bus Specification 3.0, 6.1 and 6.7: where the list of capabilities begins and how an entry starts.
const statusRegister = 0x06;
const statusHasCapabilities = 0x10;
const capabilitiesPointer = 0x34;
const vendorSpecific = 0x09;
/** What every user can read. */
const header = 0x40;
// virtio 1.2, 4.1.4: struct virtio_pci_cap's cfg_type, and the type for shared memory.
const configurationType = 3;
const sharedMemory = 8;

/** Whether a PCI device's configuration space lists shared memory of virtio; undefined if the list is not in these bytes. */
export function hasSharedMemory(configuration: Uint8Array): boolean | undefined {
	if (configuration.length < header) return undefined;
	if ((configuration[statusRegister]! & statusHasCapabilities) === 0) return false;
	const seen = new Set<number>();
	// The pointers' lowest two bits are reserved.
	let at = configuration[capabilitiesPointer]! & ~3;
	while (at !== 0 && !seen.has(at)) {
		if (at + configurationType >= configuration.length) return undefined;
		if (configuration[at] === vendorSpecific && configuration[at + configurationType] === sharedMemory) return true;
		seen.add(at);
		at = configuration[at + 1]! & ~3;
	}
	return false;
}

function windowOf(virtioDevice: string): boolean | undefined {
	const { value } = attempt(() => readFileSync(`${dirname(virtioDevice)}/config`));
	return value && hasSharedMemory(value);
}

/** Whether the share has a DAX window; undefined where this cannot be told, as among several shares that differ. */
export function hasDaxWindow(): boolean | undefined {
	const drivers = '/sys/bus/virtio/drivers/virtiofs';
	const devices = listDirectory(drivers).filter((name) => /^virtio\d+$/.test(name));
	const windows = new Set(
		devices.map((name) => resolveLink(`${drivers}/${name}`)).map((path) => path && windowOf(path)),
	);
	return windows.size === 1 ? ([...windows][0] as boolean | undefined) : undefined;
}
