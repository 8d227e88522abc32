/** SQL identifiers of a dataset's definition. */

const SAFE = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * Lets a plain lower-case name through.
 *
 * @throws Error for any other: definitions are code, yet none shall be able to inject SQL
 */
export function plainName(name: string): string {
  if (!SAFE.test(name)) throw new Error('an identifier in a dataset definition is no plain lower-case name');
  return name;
}

/** Quotes an identifier, which must be a plain lower-case name. */
export function identifier(name: string): string {
  return `"${plainName(name)}"`;
}
