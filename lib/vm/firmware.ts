// Finds the UEFI firmware for a guest: OVMF, which each distribution keeps in another place.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const firmwareTypes = ['bios', 'uefi'] as const;
/** What starts the guest's kernel. */
export type FirmwareType = (typeof firmwareTypes)[number];

/** The paths of OVMF's two parts. */
export interface Firmware {
	/** Its code. Not the variant for Secure Boot: that starts only signed kernels, and needs a machine with SMM. */
	code: string;
	/** A fresh copy of the variables that it keeps between boots. */
	variables: string;
}

/** The directories of Debian and Ubuntu, of Arch, and of Fedora. */
const directories = ['/usr/share/OVMF', '/usr/share/edk2/x64', '/usr/share/edk2/ovmf'];
/** The larger flash is the newer one. Code and variables must be of the same size. */
const pairs = [
	['OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd'],
	['OVMF_CODE.4m.fd', 'OVMF_VARS.4m.fd'],
	['OVMF_CODE.fd', 'OVMF_VARS.fd'],
] as const;

/** Finds the firmware. @returns undefined where it is not installed. */
export function findFirmware(within: readonly string[] = directories): Firmware | undefined {
	return within
		.flatMap((directory) =>
			pairs.map(([code, variables]) => ({ code: join(directory, code), variables: join(directory, variables) })),
		)
		.find(({ code, variables }) => existsSync(code) && existsSync(variables));
}
