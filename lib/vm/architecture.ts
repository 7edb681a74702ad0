// The processors that a guest may have.

/** Node's names of them (`process.arch`). x64 is the host's own architecture; arm64 is emulated. */
export const architectures = ['x64', 'arm64'] as const;
export type Architecture = (typeof architectures)[number];

/** QEMU's program for each. */
export const qemuPrograms: Readonly<Record<Architecture, string>> = {
	x64: 'qemu-system-x86_64',
	arm64: 'qemu-system-aarch64',
};
