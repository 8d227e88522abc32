/** Work on several items at a time, its results in the order of the items. */

/**
 * Begins the work of up to `width` items ahead of the one whose result is asked for.
 *
 * A failure is thrown in its turn; nothing is begun after it.
 */
export async function* lookAhead<T, R>(
  items: AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void> {
  const begun: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    // One that fails is heard in its turn, if that comes.
    result.catch(() => undefined);
    begun.push(result);
    const [first] = begun;
    if (begun.length < width || !first) continue;
    yield await first;
    void begun.shift();
  }
  for (const result of begun) yield await result;
}
