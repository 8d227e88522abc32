/**
 * Watches that the thread of the tests is free now and then. In an endless loop no time-out of mocha's can go off: what it
 * loops in is said, and the process ended.
 */

import { url as inspectorUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';

const BEAT_MS = 1_000;
/** Nothing that a test does takes a tenth of it, be the machine busy. */
const SILENT_MS = 120_000;

/** A thread of its own, without tsx, which does not run there. What does not compute, but is held by native code, has no stack. */
const WATCH = `
const { writeSync } = require('node:fs');
const { Session } = require('node:inspector');
const { workerData: { beats, silentMs } } = require('node:worker_threads');

function end(lines) {
  try {
    writeSync(2, 'the thread of the tests has not been free for ' + silentMs / 1000 + ' s' + lines.join('') + '\\n');
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}

function pause() {
  const session = new Session();
  const urls = new Map();
  session.connectToMainThread();
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => urls.set(scriptId, url));
  session.on('Debugger.paused', ({ params: { callFrames } }) =>
    end(
      callFrames.map(({ functionName, location: { scriptId, lineNumber, columnNumber } }) => {
        const place = urls.get(scriptId) + ':' + (lineNumber + 1) + ':' + (columnNumber + 1);
        return '\\n    at ' + functionName + ' (' + place + ', as compiled)';
      }),
    ),
  );
  session.post('Debugger.enable');
  session.post('Debugger.pause');
  setTimeout(end, 10_000, []);
}

let seen = -1;
setInterval(() => {
  const now = Atomics.load(beats, 0);
  if (now === seen) pause();
  seen = now;
}, silentMs);
`;

/** To be called once, by the thread of the tests. One that is being debugged may stand still. */
export function watchMainThread(silentMs = SILENT_MS): void {
  if (inspectorUrl() !== undefined) return;
  const beats = new Int32Array(new SharedArrayBuffer(4));
  setInterval(() => Atomics.add(beats, 0, 1), BEAT_MS).unref();
  new Worker(WATCH, { eval: true, workerData: { beats, silentMs } }).unref();
}
