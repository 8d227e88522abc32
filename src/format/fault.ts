/** The bytes are not what the ending of the key or the dataset says of them. It names no value. */
export class FormatFault extends Error {
  override readonly name = 'FormatFault';
  /** What is wrong, a clause of ours. */
  readonly what: string;
  readonly code: string;

  constructor(fault: { what: string; code: string }) {
    super(fault.what);
    this.what = fault.what;
    this.code = fault.code;
  }
}
