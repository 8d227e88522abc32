/** A user of the S3 server who has the rights of a policy and no others. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { PutBucketPolicyCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Stack } from '../../dev/embedded.ts';
import { findProgram, VERSITYGW } from '../../dev/servers/binaries.ts';

const run = promisify(execFile);

/** A statement of a policy for a user, as AWS IAM has it: without a principal. */
export interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: object;
}

/** What a user signs with. */
export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The statements of docs/security.md, as they stand there, for another bucket than `tickets`. */
export async function documentedPolicy(bucket: string): Promise<readonly Statement[]> {
  const text = await readFile(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const policy = /## Rights in S3\n[^]*?```json\n([^]*?)```/.exec(text)?.[1] ?? '';
  const named = policy.replaceAll('arn:aws:s3:::tickets', `arn:aws:s3:::${bucket}`);
  return (JSON.parse(named) as { Statement: Statement[] }).Statement;
}

/** Creates a user without rights. */
export async function createUser({ env, surroundings }: Stack): Promise<Keys> {
  const keys = {
    accessKeyId: `u${randomBytes(6).toString('hex')}`,
    secretAccessKey: randomBytes(20).toString('hex'),
  };
  const { accessKeyId: access, secretAccessKey: secret } = keys;
  await run(
    await findProgram(VERSITYGW, surroundings),
    ['admin', 'create-user', '--access', access, '--secret', secret, '--role', 'user'],
    {
      env: {
        ADMIN_ACCESS_KEY_ID: env['AWS_ACCESS_KEY_ID'],
        ADMIN_SECRET_ACCESS_KEY: env['AWS_SECRET_ACCESS_KEY'],
        ADMIN_ENDPOINT_URL: env['AWS_ENDPOINT_URL_S3'],
        ADMIN_REGION: env['AWS_REGION'],
      },
    },
  );
  return keys;
}

/**
 * Gives a user these rights in a bucket, in place of those before. versitygw has policies of buckets only: the user is
 * named as each statement's principal, all else is as it stands.
 */
export async function grant(
  s3: S3Client,
  bucket: string,
  { accessKeyId }: Keys,
  statements: readonly Statement[],
): Promise<void> {
  const Statement = statements.map((statement) => ({ ...statement, Principal: { AWS: accessKeyId } }));
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
}
