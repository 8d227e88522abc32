import { randomUUID } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import { startStack } from '../../dev/embedded.ts';
import { createObjectStore } from '../../src/s3/createObjectStore.ts';
import type { ObjectStoreOptions } from '../../src/s3/createObjectStore.ts';
import { unquoted } from '../../src/s3/headers.ts';
import type { ObjectStore } from '../../src/s3/objectStore.ts';

/** A real S3 server with a client of its own, to arrange and to look behind the store's back. */
export interface S3Bench {
  readonly options: ObjectStoreOptions & { readonly endpoint: string };
  /** A prefix that nobody else uses. */
  prefix(): string;
  /** Opens a store that ends with the bench. */
  store(options?: Partial<ObjectStoreOptions>): ObjectStore;
  /** Writes an object and gives its ETag. */
  put(key: string, body: string | Buffer, more?: Partial<PutObjectCommandInput>): Promise<string>;
  remove(key: string): Promise<void>;
  /** All that lies under a prefix, key to text. */
  contents(prefix: string): Promise<Record<string, string>>;
  head(key: string): Promise<{ metadata: Record<string, string>; contentType: string | undefined }>;
  tags(key: string): Promise<Record<string, string>>;
  /** Keys of the uploads in parts that were neither completed nor aborted. */
  openUploads(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function startBench(): Promise<S3Bench> {
  const stack = await startStack({ servers: ['s3'] });
  const setting = (name: string): string => stack.env[name] ?? '';
  const options = {
    bucket: setting('S3_BUCKET'),
    endpoint: setting('AWS_ENDPOINT_URL_S3'),
    region: setting('AWS_REGION'),
    forcePathStyle: true,
    credentials: {
      accessKeyId: setting('AWS_ACCESS_KEY_ID'),
      secretAccessKey: setting('AWS_SECRET_ACCESS_KEY'),
    },
  };
  const client = new S3Client(options);
  const Bucket = options.bucket;
  const stores: ObjectStore[] = [];
  return {
    options,
    prefix: () => `${randomUUID()}/`,
    store: (more = {}) => {
      const store = createObjectStore({ ...options, ...more });
      stores.push(store);
      return store;
    },
    put: async (Key, Body, more = {}) => {
      const { ETag } = await client.send(
        new PutObjectCommand({ Bucket, Key, Body, ContentLength: Buffer.byteLength(Body), ...more }),
      );
      return unquoted(ETag ?? '');
    },
    remove: async (Key) => void (await client.send(new DeleteObjectCommand({ Bucket, Key }))),
    contents: async (Prefix) => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }));
      const found: Record<string, string> = {};
      for (const { Key = '' } of Contents) {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
        found[Key.slice(Prefix.length)] = (await Body?.transformToString()) ?? '';
      }
      return found;
    },
    head: async (Key) => {
      const { Metadata = {}, ContentType } = await client.send(new HeadObjectCommand({ Bucket, Key }));
      return { metadata: Metadata, contentType: ContentType };
    },
    tags: async (Key) => {
      const { TagSet = [] } = await client.send(new GetObjectTaggingCommand({ Bucket, Key }));
      return Object.fromEntries(TagSet.map((tag) => [tag.Key, tag.Value]));
    },
    openUploads: async () => {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
      return Uploads.map(({ Key = '' }) => Key);
    },
    stop: async () => {
      for (const store of stores) store.destroy();
      client.destroy();
      await stack.stop();
    },
  };
}
