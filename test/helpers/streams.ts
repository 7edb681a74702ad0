// Byte streams take the memory of the chunks that they are given: they transfer the ArrayBuffer behind a chunk.

/**
 * Reads into a view from a byte stream that writes 7 into each byte. The result is a new view, which has the memory
 * now.
 */
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
