/**
 * The environment as a frozen configuration: the only reader of `process.env` in `src/`.
 *
 * The AWS SDK's own variables (AWS_ENDPOINT_URL_S3, AWS_REGION, credentials) and Temporal's (TEMPORAL_ADDRESS,
 * TEMPORAL_NAMESPACE, TLS, API key, profiles) are read by their own libraries.
 */

import { loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import { ALERT_LIMITS } from './domain/alerts.ts';
import { DEFAULT_LOADS, MAX_LOADS, MIN_LOADS } from './domain/slots.ts';
import { parseDatabaseUrl, type PostgresAddress } from './postgres/address.ts';

/** What to reach and how. */
export interface Config {
  readonly postgres: PostgresAddress;
  readonly s3: {
    readonly bucket: string;
    readonly forcePathStyle: boolean;
    /** A URL; absent where the AWS SDK finds its own. */
    readonly endpoint?: string;
    /** Absent where a profile is named: the region may stand in its file, which the SDK reads. */
    readonly region?: string;
  };
  readonly temporal: ReturnType<typeof loadClientConnectConfig> & { readonly namespace: string };
  readonly taskQueue: string;
  /** Files that a worker loads side by side; all its other bounds follow from it (`slotsOf`). */
  readonly loads: number;
  /** The version as which the worker takes part in Worker Versioning; absent: it does not (docs/versions.md). */
  readonly version: { readonly deploymentName: string; readonly buildId: string } | undefined;
  /** Where metrics and health are served; absent: nowhere. */
  readonly httpPort: number | undefined;
  /** Base URL of Temporal's web UI, for links; absent: guessed where Temporal is on this machine. */
  readonly temporalUi?: string;
  /** On which address; absent: on all. */
  readonly httpHost: string | undefined;
  /** Whom to tell of alerts; absent: nobody. */
  readonly webhook: { readonly url: URL; readonly secret?: string } | undefined;
  /** Seconds without a new applied file after which the exporter is told of as silent, by webhook and page. */
  readonly silentAfter: number;
}

/** All that is wrong with the environment, in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:
${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

const BOOLEAN = { true: true, '1': true, yes: true, false: false, '0': false, no: false } as const;

const Environment = z.object({
  DATABASE_URL: z
    .string({ error: 'is not set: postgres://user:password@host:5432/database' })
    .transform((text, context) => {
      try {
        return parseDatabaseUrl(text);
      } catch (error) {
        context.addIssue({
          code: 'custom',
          message: error instanceof Error ? error.message : 'cannot be read',
        });
        return z.NEVER;
      }
    }),
  S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'is no bucket name (3 to 63 of a-z, 0-9, dot and hyphen)')
    .default('tickets'),
  S3_FORCE_PATH_STYLE: z
    .string()
    .transform((text) => text.toLowerCase())
    .refine((text) => text in BOOLEAN, 'must be true or false')
    .transform((text) => BOOLEAN[text as keyof typeof BOOLEAN])
    .default(false),
  AWS_REGION: z.string({
    error: 'is not set (nor AWS_DEFAULT_REGION or AWS_PROFILE): for example eu-west-1',
  }),
  AWS_ENDPOINT_URL_S3: z.url({ protocol: /^https?$/, error: 'is no http(s) URL' }).optional(),
  TEMPORAL_DEPLOYMENT_NAME: z
    .string()
    .regex(/^[^.]+$/, 'has a dot, which separates it from the build id')
    .optional(),
  TEMPORAL_WORKER_BUILD_ID: z.string().optional(),
  TIDEMARK_TASK_QUEUE: z.string().min(1, 'is empty').default('tidemark'),
  TIDEMARK_LOADS: z.coerce
    .number({ error: 'is no number of loads' })
    .int('is no whole number of loads')
    .min(MIN_LOADS, `is less than ${MIN_LOADS}`)
    .max(MAX_LOADS, `is more than ${MAX_LOADS}`)
    .default(DEFAULT_LOADS),
  TIDEMARK_HTTP_PORT: z.coerce
    .number({ error: 'is no port' })
    .int('is no port')
    .min(0, 'is no port')
    .max(65_535, 'is no port')
    .optional(),
  TIDEMARK_TEMPORAL_UI: z.url({ protocol: /^https?$/, error: 'is no http(s) URL' }).optional(),
  TIDEMARK_HTTP_HOST: z.string().optional(),
  TIDEMARK_WEBHOOK_URL: z.url({ protocol: /^https?$/, error: 'is no http(s) URL' }).optional(),
  TIDEMARK_WEBHOOK_SECRET: z.string().min(16, 'is shorter than 16 characters').optional(),
  TIDEMARK_SILENT_AFTER: z.coerce
    .number({ error: 'is no number of seconds' })
    .int('is no whole number of seconds')
    .min(60, 'is less than 60 seconds')
    .default(ALERT_LIMITS.silentAfter),
});

/**
 * Reads the environment.
 *
 * @throws ConfigError that names every problem at once, and no secret
 */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  const problems: string[] = [];
  const parsed = Environment.safeParse(withoutEmpty({ ...env, AWS_REGION: regionOf(env) }));
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`));
  }
  problems.push(...credentialProblems(env), ...versionProblems(env));
  const temporal = readTemporal(env, problems);
  if (!parsed.success || temporal === undefined || problems.length > 0) throw new ConfigError(problems);
  const values = parsed.data;
  return Object.freeze({
    postgres: values.DATABASE_URL,
    s3: {
      bucket: values.S3_BUCKET,
      forcePathStyle: values.S3_FORCE_PATH_STYLE,
      ...(values.AWS_ENDPOINT_URL_S3 !== undefined && { endpoint: values.AWS_ENDPOINT_URL_S3 }),
      ...(values.AWS_REGION !== FROM_PROFILE && { region: values.AWS_REGION }),
    },
    temporal,
    taskQueue: values.TIDEMARK_TASK_QUEUE,
    loads: values.TIDEMARK_LOADS,
    version: versionOf(values.TEMPORAL_DEPLOYMENT_NAME, values.TEMPORAL_WORKER_BUILD_ID),
    httpPort: values.TIDEMARK_HTTP_PORT,
    ...(values.TIDEMARK_TEMPORAL_UI !== undefined && { temporalUi: values.TIDEMARK_TEMPORAL_UI }),
    httpHost: values.TIDEMARK_HTTP_HOST,
    webhook: webhookOf(values),
    silentAfter: values.TIDEMARK_SILENT_AFTER,
  });
}

function webhookOf(values: z.infer<typeof Environment>): Config['webhook'] {
  const { TIDEMARK_WEBHOOK_URL: url, TIDEMARK_WEBHOOK_SECRET: secret } = values;
  if (url === undefined) return undefined;
  return { url: new URL(url), ...(secret !== undefined && { secret }) };
}

/** Half a pair of credentials is a mistake; none may be right (an instance's role). */
function credentialProblems(env: Readonly<Record<string, string | undefined>>): string[] {
  const id = env['AWS_ACCESS_KEY_ID'];
  const secret = env['AWS_SECRET_ACCESS_KEY'];
  if (id && !secret) return ['AWS_SECRET_ACCESS_KEY is not set, but AWS_ACCESS_KEY_ID is'];
  if (secret && !id) return ['AWS_ACCESS_KEY_ID is not set, but AWS_SECRET_ACCESS_KEY is'];
  return [];
}

/** Half a version would be a worker that is silently not versioned. */
function versionProblems(env: Readonly<Record<string, string | undefined>>): string[] {
  const name = env['TEMPORAL_DEPLOYMENT_NAME'];
  const buildId = env['TEMPORAL_WORKER_BUILD_ID'];
  if (name && !buildId) return ['TEMPORAL_WORKER_BUILD_ID is not set, but TEMPORAL_DEPLOYMENT_NAME is'];
  if (buildId && !name) return ['TEMPORAL_DEPLOYMENT_NAME is not set, but TEMPORAL_WORKER_BUILD_ID is'];
  return [];
}

function versionOf(deploymentName: string | undefined, buildId: string | undefined): Config['version'] {
  return deploymentName !== undefined && buildId !== undefined ? { deploymentName, buildId } : undefined;
}

function readTemporal(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Config['temporal'] | undefined {
  try {
    const loaded = loadClientConnectConfig({ overrideEnvVars: withoutEmpty(env) });
    return { ...loaded, namespace: loaded.namespace ?? 'default' };
  } catch {
    // The library's message may quote the file, which can hold an API key.
    problems.push(
      'TEMPORAL_*: the profile or its file (TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE) cannot be read',
    );
    return undefined;
  }
}

const FROM_PROFILE = 'from the profile';

/** The SDK itself does not read AWS_DEFAULT_REGION, which the AWS CLI does. */
function regionOf(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || (env['AWS_PROFILE'] ? FROM_PROFILE : undefined);
}

/** An empty variable is an unset one, as shells and compose files leave them. */
function withoutEmpty(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
    ),
  );
}
