/** SQL identifiers of a dataset's definition. */

const SAFE = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * Quotes an identifier.
 *
 * @throws Error unless it is a plain lower-case name: definitions are code, yet none shall be able to inject SQL
 */
export function identifier(name: string): string {
  if (!SAFE.test(name)) throw new Error('an identifier in a dataset definition is no plain lower-case name');
  return `"${name}"`;
}
