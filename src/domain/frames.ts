/**
 * The stack frames of an error that is no failure of ours, without its message, which may quote anything, lines that
 * look like frames among it.
 */
export function framesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  const { message, stack } = error;
  const at = stack.indexOf(message);
  const frames = at < 0 ? '' : stack.slice(at + message.length);
  return frames.split('\n').filter((line) => /^\s+at /.test(line));
}
