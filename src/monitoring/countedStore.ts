import type { ObjectStore } from '../s3/objectStore.ts';

/** The same store; the bytes that it reads are told as they come. */
export function countedStore(store: ObjectStore, onBytes: (key: string, bytes: number) => void): ObjectStore {
  return {
    ...store,
    read: async (input) => {
      const body = await store.read(input);
      return { ...body, chunks: counted(body.chunks, (bytes) => onBytes(input.key, bytes)) };
    },
  };
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    yield chunk;
  }
}
