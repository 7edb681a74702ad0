// Whether a virtiofs share has a DAX window: shared memory into which the host maps its page cache. No attribute says
// so, but a PCI device with such memory has a capability for it (virtio 1.2, 4.1.4.7). Only root can read the
// capabilities of a device.
import { dirname } from 'node:path';
import { machine } from '../tree.ts';

// PCI Local Bus Specification 3.0, 6.1 and 6.7: where the list of capabilities begins and how an entry starts.
const statusRegister = 0x06;
const statusHasCapabilities = 0x10;
const capabilitiesPointer = 0x34;
const vendorSpecific = 0x09;
/** Every user can read as many bytes of the configuration space. */
const header = 0x40;
// virtio 1.2, 4.1.4: struct virtio_pci_cap's cfg_type, and the type for shared memory.
const configurationType = 3;
const sharedMemory = 8;

/**
 * Whether the configuration space of a PCI device lists shared memory of virtio. Undefined if the list is not in these
 * bytes.
 */
export function hasSharedMemory(configuration: Uint8Array): boolean | undefined {
	if (configuration.length < header) return undefined;
	if ((configuration[statusRegister]! & statusHasCapabilities) === 0) return false;
	const seen = new Set<number>();
	// The lowest two bits of the pointers are reserved.
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
	const { value } = machine.bytes(`${dirname(virtioDevice)}/config`);
	return value && hasSharedMemory(value);
}

/**
 * Whether the share has a DAX window. Undefined where this cannot be told, for example if there are several shares and
 * only some have one.
 */
export function hasDaxWindow(): boolean | undefined {
	const drivers = '/sys/bus/virtio/drivers/virtiofs';
	const devices = machine.list(drivers).filter((name) => /^virtio\d+$/.test(name));
	const windows = new Set(
		devices.map((name) => machine.resolve(`${drivers}/${name}`)).map((path) => path && windowOf(path)),
	);
	return windows.size === 1 ? ([...windows][0] as boolean | undefined) : undefined;
}
