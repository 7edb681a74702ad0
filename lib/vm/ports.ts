// The channels between host and guest: virtio-serial ports, one per stream, binary and with back pressure.

/**
 * Port numbers, which the guest sees as /dev/vportNp<number>. `size` tells how large the terminal has become. The job is last: the host's connections are announced in order, so once
 * the job has arrived all of them stand. 0 belongs to consoles.
 */
export const portNumbers = { stdin: 1, stdout: 2, stderr: 3, status: 4, size: 5, job: 6 } as const;

export type PortName = keyof typeof portNumbers;

/** In the order of their numbers. */
export const portNames = Object.keys(portNumbers) as PortName[];

/** QEMU's descriptor for a port: one end of a socket pair whose other end this process holds. 0 to 2 are its own. */
export const portDescriptor = (port: PortName): number => 2 + portNumbers[port];
