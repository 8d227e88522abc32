import { count, counted } from './terminal.ts';

/** Often enough to look alive. */
const EVERY_MS = 200;

/** How far a long look is. */
export interface ProgressLine {
  tell(done: number, total: number): void;
  /** Wipes the line. */
  end(): void;
}

/** One line on stderr that is written over and over; nothing where that is no terminal. */
export function openProgressLine(verb: string, noun: string): ProgressLine {
  if (!process.stderr.isTTY) return { tell: () => undefined, end: () => undefined };
  let told = 0;
  return {
    tell(done, total) {
      if (performance.now() - told < EVERY_MS) return;
      told = performance.now();
      process.stderr.write(`\r\u001b[K${verb} ${count(done)} of ${counted(total, noun)}`);
    },
    end: () => void process.stderr.write('\r\u001b[K'),
  };
}
