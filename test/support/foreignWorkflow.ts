/** A workflow that imports what none may: the bundle test must see it. */
export { parse } from 'csv-parse/sync';
