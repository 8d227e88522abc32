/** Where in a load PostgreSQL may be hit, told by the message that the worker sends there. */

import type { Database } from '../../../src/postgres/database.ts';
import type { ClientMessage, Harm } from './postgresProxy.ts';

type Match = (message: ClientMessage) => boolean;

const asks = (text: string): Match => {
  return ({ type, text: of }) => (type === 'Q' || type === 'B') && of().includes(text);
};

/** The places of a load, in order. */
export const PLACES = {
  'a connection': ({ type }) => type === '',
  'a look at the ledger': asks('from tickets.import_meta'),
  'the beginning of a COPY': asks('copy '),
  'the middle of a COPY': ({ type, text }) => type === 'd' && text().length > 10_000,
  'the end of a COPY': ({ type }) => type === 'c',
  'the lock': asks('begin isolation level'),
  'the merge': asks('insert into tickets."inc"'),
  'the ledger row': asks('insert into tickets.import_meta'),
  'the commit': ({ type, text }) => type === 'B' && text().endsWith('commit'),
  'the note of the archive': asks('set archived_at'),
} satisfies Record<string, Match>;

export type Place = keyof typeof PLACES;

export const ALL_PLACES = Object.keys(PLACES) as Place[];

/** A rule that does something at a place, the first `times` that a worker comes there; it tells how often it was. */
export function at(
  place: Place,
  harm: (hit: number) => Harm | Promise<Harm>,
  times = 1,
): { rule: (message: ClientMessage) => Harm | Promise<Harm>; hits: () => number } {
  let hits = 0;
  return {
    rule: (message) => {
      if (hits >= times || !PLACES[place](message)) return 'none';
      hits += 1;
      return harm(hits);
    },
    hits: () => hits,
  };
}

/** A deed for `at`: ends all sessions of the load's worker. */
export function endSessions(db: Pick<Database, 'query'>): () => Promise<Harm> {
  return async () => {
    await db.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'tidemark %'`,
    );
    return 'none';
  };
}
