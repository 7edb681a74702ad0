// The channels between host and guest: one virtio-serial port for each stream, binary and with back pressure.

/**
 * Port numbers. The guest sees the ports as /dev/vportNp<number>. `size` carries the new size of a terminal. The job is
 * last: the host's connections are announced in order, so all of them are there once the job has arrived. Port 0 is for
 * consoles only.
 */
export const portNumbers = { stdin: 1, stdout: 2, stderr: 3, status: 4, size: 5, job: 6 } as const;

export type PortName = keyof typeof portNumbers;

/** In the order of their numbers. */
export const portNames = Object.keys(portNumbers) as PortName[];

/**
 * QEMU's descriptor of a port: one end of a socket pair. This process holds the other end. Descriptors 0 to 2 are
 * QEMU's own.
 */
export const portDescriptor = (port: PortName): number => 2 + portNumbers[port];
