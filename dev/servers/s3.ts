/** A real S3 server: versitygw over a directory. */

import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { findProgram, VERSITYGW } from './binaries.ts';
import { cleanEnvironment, onFreePorts, remove, type Placed, type Surroundings } from './launch.ts';
import { LOOPBACK } from './ports.ts';
import { ServerFailed, startServer, type Server } from './server.ts';

// Node 20 is supported on purpose; the pinned SDK runs on it, and its warning would be all over the demo and tests.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

/** How to reach it. */
export interface S3Server extends Placed {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
}

const REGION = 'us-east-1';
const BUCKET = 'tickets';
const HEALTH = '/health';
/** What versitygw says on file systems without extended attributes, where it keeps ETags: some tmpfs, some NFS. */
const NO_XATTRS = /xattrs are not supported/;

/** Starts it and creates the bucket. */
export async function startS3(options: Surroundings): Promise<S3Server> {
  const command = await findProgram(VERSITYGW, options);
  const credentials = { accessKeyId: 'tidemark', secretAccessKey: randomBytes(20).toString('hex') };
  const start = (sidecar: readonly string[]) =>
    onFreePorts(1, ([port = 0]) => startGateway({ ...options, command, credentials, port, sidecar }));
  const sidecar = join(options.directory, 'attributes');
  for (const name of ['s3', 'iam', 'attributes']) await mkdir(join(options.directory, name));
  const placed = await start([]).catch((error: unknown) => {
    if (error instanceof ServerFailed && NO_XATTRS.test(error.log)) return start(['--sidecar', sidecar]);
    throw error;
  });
  const endpoint = `http://${LOOPBACK}:${placed.ports.ports[0]}`;
  await createBucket(endpoint, credentials).catch(async (error: unknown) => {
    await remove(placed);
    throw error;
  });
  return { ...placed, endpoint, region: REGION, ...credentials, bucket: BUCKET };
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface Gateway extends Surroundings {
  readonly command: string;
  readonly credentials: Credentials;
  readonly port: number;
  readonly sidecar: readonly string[];
}

function startGateway({
  command,
  credentials,
  port,
  sidecar,
  directory,
  watchdog,
}: Gateway): Promise<Server> {
  return startServer(
    {
      name: 'S3 (versitygw)',
      command,
      args: [
        `--port=${LOOPBACK}:${port}`,
        `--region=${REGION}`,
        `--health=${HEALTH}`,
        // Other users can be created beside ours, to whom bucket policies apply.
        `--iam-dir=${join(directory, 'iam')}`,
        '--keep-alive',
        '--quiet',
        'posix',
        ...sidecar,
        join(directory, 's3'),
      ],
      env: {
        ...cleanEnvironment(),
        ROOT_ACCESS_KEY: credentials.accessKeyId,
        ROOT_SECRET_KEY: credentials.secretAccessKey,
      },
      logFile: join(directory, 's3.log'),
      probe: async () => {
        const answer = await fetch(`http://${LOOPBACK}:${port}${HEALTH}`);
        if (!answer.ok) throw new Error(`health check answers ${answer.status}`);
      },
      stopSignal: 'SIGKILL',
    },
    watchdog,
  );
}

/** Our own fresh secret is asked for here: another program on the port would not know it. */
async function createBucket(endpoint: string, credentials: Credentials): Promise<void> {
  const s3 = new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials });
  try {
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  } finally {
    s3.destroy();
  }
}
