/**
 * Creates a bucket, unless it is there, and gives a user the rights of policy.json in it.
 *
 * node bucket.js BUCKET USER, with the administrator's keys in the AWS SDK's variables
 */

import { readFile } from 'node:fs/promises';
import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3';

const [bucket, user] = process.argv.slice(2);
const s3 = new S3Client({ forcePathStyle: true });
await s3.send(new CreateBucketCommand({ Bucket: bucket })).catch((error) => {
  if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
});
// versitygw has policies of buckets only, which name their user.
const policy = JSON.parse(await readFile(new URL('policy.json', import.meta.url), 'utf8'));
for (const statement of policy.Statement) statement.Principal = { AWS: user };
await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policy) }));
