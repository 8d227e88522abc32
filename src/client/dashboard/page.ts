/** The whole page. Its `main` is what the browser exchanges when it asks again. */

import { counted, localTime } from '../terminal.ts';
import { concernsOf, type Look } from './attention.ts';
import { html } from './html.ts';
import { datasetSection } from './sections.ts';
import type { DatasetView } from './snapshot.ts';
import type { RunLink } from './temporalUi.ts';

/** What the page is made of. */
export interface PageInput {
  readonly views: readonly DatasetView[];
  readonly look: Look;
  readonly everyMs: number;
  readonly bucket: string;
  readonly runLink: RunLink;
}

/** The page as it is sent. */
export function page(input: PageInput): string {
  const { views, look, everyMs, bucket, runLink } = input;
  const { level, text } = verdict(views, look);
  const zone = views[0]?.dataset.timeZone ?? 'UTC';
  const seenAt = oldest(views);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${level === 'good' ? '' : `${text} – `}Tidemark</title>
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/page.css" />
        <script src="/page.js" defer></script>
      </head>
      <body data-every="${everyMs}">
        <header>
          <h1>Tidemark <small>bucket ${bucket}</small></h1>
          <p id="verdict" class="verdict ${level}" role="status">${text}</p>
          <p id="asof" class="note">
            ${seenAt === undefined ? 'not seen yet' : `as of ${localTime(seenAt, zone)} (${zone})`}, looks
            again every ${everyMs / 1000} s
          </p>
          <p id="lost" class="concern bad" role="alert" hidden></p>
        </header>
        <main id="main">${views.map((view) => datasetSection(view, look, runLink))}</main>
        <footer>
          <p class="note">
            Read-only, from PostgreSQL and the bucket’s listing. <a href="/" id="again">Look again</a>
          </p>
        </footer>
      </body>
    </html> `.text;
}

/** When the oldest part was seen of what can be read; what cannot says its own age. */
function oldest(views: readonly DatasetView[]): Date | undefined {
  const times = views
    .flatMap(({ ledger, listing }) => [ledger, listing])
    .flatMap(({ at, problem }) => (at === undefined || problem !== undefined ? [] : [at]));
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

interface Verdict {
  readonly level: 'good' | 'warn' | 'bad';
  readonly text: string;
}

/** Is anything wrong? */
function verdict(views: readonly DatasetView[], look: Look): Verdict {
  const blind = views.filter(
    ({ ledger, listing }) => ledger.problem !== undefined || listing.problem !== undefined,
  );
  const concerns = views.flatMap((view) => concernsOf(view, look));
  if (blind.length > 0) return { level: 'bad', text: 'A server cannot be read' };
  if (views.some(({ ledger }) => !ledger.value)) return { level: 'warn', text: 'Looking for the first time' };
  if (concerns.some(({ stops }) => stops)) return { level: 'bad', text: 'Loading has stopped' };
  if (concerns.some(({ level }) => level === 'bad')) return { level: 'bad', text: 'The data are old' };
  if (concerns.length === 0) return { level: 'good', text: 'All is well' };
  return {
    level: 'warn',
    text: `${counted(concerns.length, 'thing')} ${concerns.length === 1 ? 'needs' : 'need'} a look`,
  };
}
