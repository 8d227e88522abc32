/**
 * The inner loop of src/csv/scanner.ts, in AssemblyScript: 16 bytes are looked at at once, which JavaScript cannot do.
 * `npm run build:scan` compiles it into src/csv/scanCode.ts.
 *
 * It knows well-formed CSV only. Texts, fields and records lie in the memory that the caller brings; all addresses and
 * lengths are in bytes, all numbers are of 32 bits.
 */

const QUOTE: u8 = 0x22;
const LF: u8 = 0x0a;
const CR: u8 = 0x0d;

/** Why a scan ended. */
const DONE: i32 = 0;
const OPEN: i32 = -1;
const ODD: i32 = -2;

/** A record: its first field, its number of fields, where it begins and ends, its line breaks inside quotes. */
const RECORD_SIZE: i32 = 20;

/** What stands between two fields; the same 16 times. */
let delimiter: u8 = 0;
let delimiters: v128 = i8x16.splat(0);
/** The text ends here, and a line break stands here, so that no loop need look for the end. */
let end: i32 = 0;
/** The file ends there too. */
let last: bool = false;
/** Of the record being scanned. */
let breaks: i32 = 0;
/** Of the field being scanned: it has doubled quotes. */
let doubled: bool = false;
/** Of the last scan. */
let rest: i32 = 0;
let ending: i32 = DONE;

/** Where the first record begins that the last scan did not find. */
export function restOfScan(): i32 {
  return rest;
}

/** Why the last scan ended: all was scanned or there was no room for more (0), that record is open (-1), or odd (-2). */
export function endOfScan(): i32 {
  return ending;
}

/**
 * Finds records.
 *
 * @param from where a record begins
 * @param to where the text ends; this byte and 16 more may be written and read
 * @param isLast whether the file ends with the text
 * @param between the byte that stands between two fields
 * @param starts where the fields' first bytes are noted, one number a field
 * @param ends where the bytes behind their last are; a field's quotes are left out, its doubled ones made single
 * @param fields how many fields fit
 * @param recordFields the most fields of a record; one with more is odd
 * @param records where records are noted
 * @param count how many fit
 * @returns how many were found
 */
export function scan(
  from: i32,
  to: i32,
  isLast: bool,
  between: u8,
  starts: i32,
  ends: i32,
  fields: i32,
  recordFields: i32,
  records: i32,
  count: i32,
): i32 {
  end = to;
  last = isLast;
  delimiter = between;
  delimiters = i8x16.splat(between);
  store<u8>(to, LF);
  ending = DONE;
  let found = 0;
  let field = 0;
  let begin = from;
  while (begin < to && found < count && field + recordFields <= fields) {
    const first = field;
    const stop = scanRecord(begin, starts + first * 4, ends + first * 4, recordFields);
    if (stop < 0) {
      ending = stop;
      break;
    }
    field += fieldsFound;
    const record = records + found * RECORD_SIZE;
    store<i32>(record, first);
    store<i32>(record, fieldsFound, 4);
    store<i32>(record, begin, 8);
    store<i32>(record, stop, 12);
    store<i32>(record, breaks, 16);
    found += 1;
    if (stop === to) begin = to;
    else begin = load<u8>(stop) === CR ? stop + 2 : stop + 1;
  }
  rest = begin;
  return found;
}

let fieldsFound: i32 = 0;

/** Scans one record or an empty line. Returns where what ends it is, or OPEN or ODD. */
function scanRecord(from: i32, starts: i32, ends: i32, most: i32): i32 {
  breaks = 0;
  let count = 0;
  let at = from;
  let stop = 0;
  while (count < most) {
    let start = at;
    let close = 0;
    if (at < end && load<u8>(at) === QUOTE) {
      start = at + 1;
      close = endOfQuoted(start);
      if (close < 0) return close;
      stop = stopBehind(close + 1);
      if (doubled) close = withoutDoubles(start, close);
    } else {
      stop = endOfPlain(at);
      close = stop;
    }
    if (stop < 0) return stop;
    store<i32>(starts + count * 4, start);
    store<i32>(ends + count * 4, close);
    count += 1;
    if (stop >= end || load<u8>(stop) !== delimiter) {
      fieldsFound = count;
      return stop;
    }
    at = stop + 1;
  }
  return ODD;
}

function endOfPlain(from: i32): i32 {
  let at = from;
  while (true) {
    at = nextPlainStop(at);
    if (at >= end) return last ? end : OPEN;
    const byte = load<u8>(at);
    if (byte === delimiter || byte === LF) return at;
    if (byte === QUOTE) return ODD;
    if (at + 1 >= end && !last) return OPEN;
    if (at + 1 < end && load<u8>(at + 1) === LF) return at;
    at += 1;
  }
}

/** Where the quote is that closes the field. */
function endOfQuoted(from: i32): i32 {
  doubled = false;
  let at = from;
  while (true) {
    at = nextQuotedStop(at);
    if (at >= end) return last ? ODD : OPEN;
    if (load<u8>(at) === LF) {
      breaks += 1;
      at += 1;
    } else {
      if (at + 1 >= end && !last) return OPEN;
      if (at + 1 >= end || load<u8>(at + 1) !== QUOTE) return at;
      doubled = true;
      at += 2;
    }
  }
}

/** A closing quote is followed by what ends the field, or the field is odd. */
function stopBehind(at: i32): i32 {
  if (at >= end) return last ? end : OPEN;
  const byte = load<u8>(at);
  if (byte === delimiter || byte === LF) return at;
  if (byte !== CR) return ODD;
  if (at + 1 >= end) return last ? ODD : OPEN;
  return load<u8>(at + 1) === LF ? at : ODD;
}

/** Moves a field's bytes together, so that its doubled quotes are single. Returns where it ends then. */
function withoutDoubles(from: i32, close: i32): i32 {
  let to = from;
  for (let at = from; at < close; at += 1) {
    const byte = load<u8>(at);
    if (byte === QUOTE) at += 1;
    store<u8>(to, byte);
    to += 1;
  }
  return to;
}

function nextPlainStop(from: i32): i32 {
  let at = from;
  while (true) {
    const bytes = v128.load(at);
    const breaks = v128.or(i8x16.eq(bytes, i8x16.splat(LF)), i8x16.eq(bytes, i8x16.splat(CR)));
    const marks = v128.or(i8x16.eq(bytes, delimiters), i8x16.eq(bytes, i8x16.splat(QUOTE)));
    const found = i8x16.bitmask(v128.or(breaks, marks));
    if (found !== 0) return at + ctz(found);
    at += 16;
  }
}

function nextQuotedStop(from: i32): i32 {
  let at = from;
  while (true) {
    const bytes = v128.load(at);
    const found = i8x16.bitmask(
      v128.or(i8x16.eq(bytes, i8x16.splat(LF)), i8x16.eq(bytes, i8x16.splat(QUOTE))),
    );
    if (found !== 0) return at + ctz(found);
    at += 16;
  }
}
