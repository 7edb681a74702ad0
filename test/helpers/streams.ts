// Byte streams take the memory of the chunks that they are given: the ArrayBuffer behind one is transferred.

/** Reads from a byte stream, which writes 7 into each byte, into a view, whose memory is then what comes back. */
export async function readInto(view: Uint8Array): Promise<Uint8Array | undefined> {
	const stream = new ReadableStream({
		type: 'bytes',
		pull(controller) {
			const { byobRequest } = controller as ReadableByteStreamController;
			(byobRequest!.view as Uint8Array).fill(7);
			byobRequest!.respond(byobRequest!.view!.byteLength);
		},
	});
	const { value } = await stream.getReader({ mode: 'byob' }).read(view);
	return value;
}
