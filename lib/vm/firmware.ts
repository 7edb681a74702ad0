// Where the UEFI firmware for a guest is: OVMF, which distributions keep in different places.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const firmwareTypes = ['bios', 'uefi'] as const;
/** What starts the guest's kernel. */
export type FirmwareType = (typeof firmwareTypes)[number];

/** The two parts of OVMF, paths of files. */
export interface Firmware {
	/** Not that for Secure Boot, which would start signed kernels only, and needs a machine with SMM. */
	code: string;
	/** What it keeps between boots, as new. */
	variables: string;
}

/** Debian and Ubuntu; Arch; Fedora. */
const directories = ['/usr/share/OVMF', '/usr/share/edk2/x64', '/usr/share/edk2/ovmf'];
/** The larger flash is the newer; code and variables must be of the same size. */
const pairs = [
	['OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd'],
	['OVMF_CODE.4m.fd', 'OVMF_VARS.4m.fd'],
	['OVMF_CODE.fd', 'OVMF_VARS.fd'],
] as const;

/** Finds the firmware. @returns undefined where there is none. */
export function findFirmware(within: readonly string[] = directories): Firmware | undefined {
	return within
		.flatMap((directory) =>
			pairs.map(([code, variables]) => ({ code: join(directory, code), variables: join(directory, variables) })),
		)
		.find(({ code, variables }) => existsSync(code) && existsSync(variables));
}
