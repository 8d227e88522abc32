/** What is in PostgreSQL, S3 and Temporal, asked by a reader of its own rather than by the product. */

import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Client as TemporalClient, Connection } from '@temporalio/client';
import { Client as PostgresClient } from 'pg';
import { inc } from '../../src/datasets/inc.ts';
import type { Stack } from '../embedded.ts';

/** A ledger row in short. */
export interface LedgerRow {
  readonly key: string;
  readonly exportType: string;
  readonly read: number;
  readonly alarm: number;
  readonly sentinel: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly archived: boolean;
  readonly seconds: number | null;
}

/** Whatever a run could change: rows and their versions in the table, the ledger, the bucket. */
export interface Footprint {
  readonly rows: number;
  /** The newest transaction that wrote a row of the table. */
  readonly newestWriter: string;
  readonly content: string;
  readonly ledger: number;
  readonly watermark: string;
  readonly objects: readonly string[];
}

/** Connections to the three servers of a stack. */
export interface Reader {
  readonly s3: S3Client;
  readonly bucket: string;
  readonly temporal: TemporalClient;
  ledger(): Promise<LedgerRow[]>;
  footprint(): Promise<Footprint>;
  close(): Promise<void>;
}

export async function openReader(stack: Stack): Promise<Reader> {
  const { env } = stack;
  const s3 = new S3Client({
    endpoint: env['AWS_ENDPOINT_URL_S3'] ?? '',
    region: env['AWS_REGION'] ?? '',
    forcePathStyle: true,
    credentials: {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  const bucket = env['S3_BUCKET'] ?? '';
  const postgres = new PostgresClient({ connectionString: env['DATABASE_URL'] });
  // A server that ends under us fails the next query; without a listener it would end the process.
  postgres.on('error', () => undefined);
  await postgres.connect();
  const connection = await Connection.connect({ address: env['TEMPORAL_ADDRESS'] ?? '' });
  const temporal = new TemporalClient({ connection, namespace: env['TEMPORAL_NAMESPACE'] ?? '' });
  return {
    s3,
    bucket,
    temporal,
    ledger: () => readLedger(postgres),
    footprint: () => readFootprint(postgres, s3, bucket),
    close: async () => {
      s3.destroy();
      await connection.close();
      await postgres.end();
    },
  };
}

async function readLedger(postgres: PostgresClient): Promise<LedgerRow[]> {
  const { rows } = await postgres.query<LedgerRow>(
    `select source_key as key, export_type as "exportType", rows_read::float8 as read, rows_alarm::float8 as alarm,
       rows_sentinel::float8 as sentinel, rows_inserted::float8 as inserted, rows_updated::float8 as updated,
       rows_unchanged::float8 as unchanged, archived_at is not null as archived,
       (metadata ->> 'seconds')::float8 as seconds
     from tickets.import_meta where dataset = $1 order by id`,
    [inc.name],
  );
  return rows;
}

async function readFootprint(postgres: PostgresClient, s3: S3Client, bucket: string): Promise<Footprint> {
  const { rows } = await postgres.query<Omit<Footprint, 'objects'>>(
    `select count(*)::float8 as rows, max(xmin::text::bigint)::text as "newestWriter",
       md5(string_agg(t::text, E'\\n' order by ticket_id collate "C")) as content,
       (select count(*)::float8 from tickets.import_meta) as ledger,
       (select max(metadata ->> 'source_max_key' collate "C") from tickets.import_meta) as watermark
     from tickets.inc t`,
  );
  const [footprint] = rows;
  if (!footprint) throw new Error('an aggregate has a row');
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
  return { ...footprint, objects: Contents.map((object) => `${object.Key} ${object.ETag}`) };
}
