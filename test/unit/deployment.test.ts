import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { readConfig } from '../../src/config.ts';
import { DOCKER, exampleVariables, readCompose, type Compose, type Service } from '../support/deployment.ts';
import { promtool } from '../support/prometheus.ts';
import { documentedPolicy } from '../support/s3User.ts';

const ROOT = new URL('../../', import.meta.url);
const run = promisify(execFile);
const read = (path: string): Promise<string> => readFile(new URL(path, ROOT), 'utf8');
/** A whole version: three numbers, or PostgreSQL's two. */
const PINNED = /^[a-z0-9./-]+:v?\d+\.\d+(?:\.\d+)?(?:-[a-z]+)*$/;
/** As long as a worker takes to end, at the longest. */
const DRAIN_S = 28;

describe('the compose file', () => {
  let compose: Compose;
  let services: [string, Service][];
  let once: string[];
  before(async () => {
    compose = await readCompose();
    services = Object.entries(compose.services);
    const waits = services.flatMap(([, { depends_on }]) => Object.entries(depends_on ?? {}));
    const ended = waits.filter(([, { condition }]) => condition === 'service_completed_successfully');
    once = ended.map(([name]) => name);
  });

  it('has every part', () => {
    assert.deepEqual(Object.keys(compose.services).sort(), [
      'grafana',
      'migrate',
      'postgres',
      'prometheus',
      'rebuilder',
      's3',
      's3-bucket',
      's3-user',
      'temporal',
      'temporal-namespace',
      'temporal-schema',
      'temporal-ui',
      'worker',
    ]);
  });

  it('pins every image, Tidemark’s own to its version', async () => {
    const { version } = JSON.parse(await read('package.json')) as { version: string };
    for (const [name, { image, build }] of services) {
      assert.match(image, PINNED, name);
      if (build) assert.equal(image, `tidemark:${version}`, name);
    }
    assert.deepEqual(
      services.filter(([, { build }]) => build).map(([name]) => name),
      ['s3-bucket', 'migrate', 'worker', 'rebuilder'],
    );
  });

  it('uses every variable of .env.example, and no other', async () => {
    const text = await readFile(new URL('compose.yaml', DOCKER), 'utf8');
    const used = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name));
    assert.deepEqual(used, new Set((await exampleVariables()).keys()));
  });

  it('restarts what runs on, with a health check; lets what ends be tried again', () => {
    for (const [name, { restart, healthcheck }] of services) {
      assert.equal(restart, once.includes(name) ? 'on-failure:5' : 'unless-stopped', name);
      // Up while it is needed, and asked nothing.
      if (name === 'rebuilder') assert.equal(healthcheck?.disable, true);
      else if (!once.includes(name)) assert.equal(healthcheck?.test[0], 'CMD', name);
    }
  });

  it('waits for services that there are, in ways that they know', () => {
    for (const [name, { depends_on }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on ?? {})) {
        assert.ok(compose.services[other], `${name}: ${other}`);
        assert.equal(condition, once.includes(other) ? 'service_completed_successfully' : 'service_healthy');
      }
    }
  });

  it('mounts what is in the repository, read-only, and volumes that it declares', async () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = '', target = '', mode] = volume.split(':');
        assert.match(target, /^\//, `${name}: ${volume}`);
        if (!source.startsWith('.')) assert.ok(source in compose.volumes, `${name}: ${volume}`);
        else {
          await access(new URL(source, DOCKER));
          assert.equal(mode, 'ro', `${name}: ${volume}`);
        }
      }
    }
  });

  it('publishes ports on loopback only, each once', () => {
    const ports = services.flatMap(([, { ports: own = [] }]) => own);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
    assert.equal(new Set(ports).size, ports.length);
    // A port of the host cannot be had twice, and `--scale worker=2` is documented.
    assert.equal(services.find(([name]) => name === 'worker')?.[1].ports, undefined);
  });

  it('runs Tidemark without a right that it does not need, and gives it the time to drain', () => {
    for (const [name, service] of services) {
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
      if (!service.build) continue;
      assert.deepEqual([service.read_only, service.user, service.cap_drop], [true, '1000:1000', ['ALL']]);
    }
    assert.ok(Number.parseInt(compose.services['worker']?.stop_grace_period ?? '', 10) > DRAIN_S);
  });

  it('gives the worker an environment that it accepts, with logins of its own', () => {
    const config = readConfig(compose.services['worker']?.environment ?? {});
    assert.deepEqual(
      [config.postgres.host, config.postgres.user, config.postgres.database],
      ['postgres', 'loader', 'tickets'],
    );
    assert.deepEqual(config.s3, {
      bucket: 'tickets',
      endpoint: 'http://s3:7070',
      forcePathStyle: true,
      region: 'us-east-1',
    });
    assert.equal(config.temporal.connectionOptions.address, 'temporal:7233');
    assert.equal(config.httpPort, 9464);
    assert.equal(config.webhook, undefined);
    const rebuilder = readConfig(compose.services['rebuilder']?.environment ?? {});
    assert.deepEqual([rebuilder.postgres.user, rebuilder.postgres.database], ['rebuilder', 'tickets']);
    assert.deepEqual(compose.services['rebuilder']?.profiles, ['rebuild']);
    const owner = readConfig(compose.services['migrate']?.environment ?? {});
    assert.deepEqual([owner.postgres.user, owner.postgres.database], ['tidemark_owner', 'tickets']);
  });

  it('gives the worker the documented rights in S3', async () => {
    const policy = JSON.parse(await read('temporal-docker/s3/policy.json')) as { Statement: object[] };
    assert.deepEqual(policy.Statement, await documentedPolicy('tickets'));
  });

  it('has Prometheus scrape the workers, with rules that hold', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-deployment-'));
    try {
      await cp(new URL('prometheus/', DOCKER), folder, { recursive: true });
      await cp(new URL('monitoring/prometheus/', ROOT), folder, { recursive: true, force: false });
      await promtool('check', 'config', join(folder, 'prometheus.yml'));
    } finally {
      await rm(folder, { recursive: true });
    }
    const jobs = async (path: string) =>
      (parse(await read(path)) as { scrape_configs: { job_name: string }[] }).scrape_configs.map(
        ({ job_name }) => job_name,
      );
    assert.deepEqual(
      await jobs('temporal-docker/prometheus/prometheus.yml'),
      await jobs('monitoring/prometheus/prometheus.yml'),
    );
  });

  it('gets secrets that are fresh, for the user’s eyes only, and kept', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-deployment-'));
    try {
      for (const name of ['secrets.sh', '.env.example']) await cp(new URL(name, DOCKER), join(folder, name));
      const made = () => readFile(join(folder, '.env'), 'utf8');
      await run(join(folder, 'secrets.sh'));
      const first = await made();
      assert.equal((await stat(join(folder, '.env'))).mode & 0o777, 0o600);
      const secrets = [...first.matchAll(/^\w+=([0-9a-f]{48})$/gm)].map(([, secret]) => secret);
      assert.equal(new Set(secrets).size, 8);
      assert.doesNotMatch(first, /=$/m);
      await assert.rejects(run(join(folder, 'secrets.sh')));
      assert.equal(await made(), first);
    } finally {
      await rm(folder, { recursive: true });
    }
    assert.match(await read('.gitignore'), /^temporal-docker\/\.env$/m);
  });
});

describe('the Dockerfile', () => {
  let steps: { readonly word: string; readonly rest: string }[];
  before(async () => {
    const text = (await read('temporal-docker/Dockerfile')).replaceAll(/\\\n\s*/g, '');
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    steps = lines.map((line) => ({
      word: line.slice(0, line.indexOf(' ')),
      rest: line.slice(line.indexOf(' ') + 1),
    }));
  });
  const all = (word: string): string[] => steps.filter((step) => step.word === word).map(({ rest }) => rest);

  it('builds in a stage of its own, on a pinned Node 20', () => {
    assert.deepEqual(all('FROM').length, 2);
    for (const from of all('FROM')) assert.match(from, /^node:20\.\d+\.\d+-bookworm-slim(?: AS build)?$/);
    assert.deepEqual(all('RUN').slice(0, 2), [
      'npm ci --ignore-scripts',
      'npm run build && npm prune --omit=dev --ignore-scripts',
    ]);
  });

  it('fetches nothing but packages, and copies what there is and .dockerignore lets through', async () => {
    assert.deepEqual(all('ADD'), []);
    const through = (await read('.dockerignore')).split('\n').filter((line) => line.startsWith('!'));
    const copied = all('COPY').filter((rest) => !rest.startsWith('--from='));
    const sources = copied.flatMap((rest) => rest.split(' ').slice(0, -1));
    for (const source of sources) await access(new URL(source, ROOT));
    assert.deepEqual(through.map((line) => line.slice(1)).sort(), sources.sort());
  });

  it('carries all that package.json would publish', async () => {
    const { files } = JSON.parse(await read('package.json')) as { files: string[] };
    const last = steps.slice(steps.findLastIndex(({ word }) => word === 'FROM'));
    const targets = last.filter(({ word }) => word === 'COPY').map(({ rest }) => rest.split(' ').at(-1));
    for (const file of files) assert.ok(targets.includes(`./${file}`), file);
  });

  it('runs the worker as `npm run worker` does, as nobody of note, with a health check', async () => {
    const { scripts } = JSON.parse(await read('package.json')) as { scripts: { worker: string } };
    const command = [...all('ENTRYPOINT'), ...all('CMD')].flatMap((rest) => JSON.parse(rest) as string[]);
    const [setting = '', started] = settingAndCommand(scripts.worker);
    assert.equal(command.join(' '), started);
    assert.ok(all('ENV').join(' ').split(' ').includes(setting));
    assert.deepEqual(all('USER'), ['1000:1000']);
    assert.match(all('HEALTHCHECK').join(), /\/healthz/);
    assert.ok(
      steps.findIndex(({ word }) => word === 'USER') > steps.findLastIndex(({ word }) => word === 'COPY'),
    );
  });
});

describe('the examples of docs/deployment.md', () => {
  const block = async (language: string): Promise<string> => {
    const found = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(await read('docs/deployment.md'))?.[1];
    assert.ok(found, language);
    return found;
  };

  it('the Deployment probes, drains and has no right that it does not need; so has the Job', async () => {
    const documents = parseAllDocuments(await block('yaml'), { strict: true });
    const [job, settings, deployment] = documents.map((document) => {
      assert.deepEqual(document.errors, []);
      return document.toJS() as Resource;
    });
    assert.deepEqual([job?.kind, settings?.kind, deployment?.kind], ['Job', 'ConfigMap', 'Deployment']);
    for (const pod of [job, deployment].map((resource) => resource?.spec?.template.spec)) {
      assert.equal(pod?.securityContext.runAsNonRoot, true);
      const { image, securityContext } = pod.containers[0] ?? {};
      assert.match(image ?? '', PINNED);
      assert.deepEqual(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
    const pod = deployment?.spec?.template.spec;
    const [worker] = pod?.containers ?? [];
    assert.ok((pod?.terminationGracePeriodSeconds ?? 0) > DRAIN_S);
    const probes = [worker?.startupProbe, worker?.livenessProbe, worker?.readinessProbe];
    assert.deepEqual(
      probes.map((probe) => probe?.httpGet),
      ['/healthz', '/healthz', '/readyz'].map((path) => ({ path, port: 'http' })),
    );
    assert.deepEqual(deployment?.spec?.selector?.matchLabels, deployment?.spec?.template.metadata?.labels);
    const secret = { DATABASE_URL: 'postgres://loader:x@db/tickets' };
    assert.equal(readConfig({ ...settings?.data, ...secret }).httpPort, 9464);
  });

  it('the unit runs the worker’s command, restarts it and gives it the time to drain', async () => {
    const unit = await block('ini');
    const value = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1];
    for (const line of unit.split('\n'))
      assert.match(line, /^(?:|#.*|\[(?:Unit|Service|Install)\]|[A-Z]\w+=.*)$/);
    const { scripts } = JSON.parse(await read('package.json')) as { scripts: { worker: string } };
    const [setting = '', started] = settingAndCommand(scripts.worker);
    assert.equal(value('ExecStart'), `/usr/bin/${started}`);
    assert.ok(value('Environment')?.split(' ').includes(setting));
    assert.deepEqual(
      [value('User'), value('Restart'), value('KillSignal')],
      ['tidemark', 'always', 'SIGTERM'],
    );
    assert.ok(Number(value('TimeoutStopSec')) > DRAIN_S);
  });

  it('the time that is given is longer than the worker takes', async () => {
    assert.match(await read('src/workerProcess.ts'), new RegExp(`SHUTDOWN_MS = ${DRAIN_S}_000;`));
  });
});

/** What `npm run worker` sets and starts, once it has built. */
function settingAndCommand(script: string): readonly string[] {
  return /&& (\w+=\w+) (node .*)$/.exec(script)?.slice(1) ?? [];
}

interface Probe {
  readonly httpGet: object;
}

interface Resource {
  readonly kind: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly selector?: { readonly matchLabels: object };
    readonly template: {
      readonly metadata?: { readonly labels: object };
      readonly spec: {
        readonly terminationGracePeriodSeconds?: number;
        readonly securityContext: { readonly runAsNonRoot: boolean };
        readonly containers: readonly {
          readonly image: string;
          readonly securityContext: object;
          readonly startupProbe?: Probe;
          readonly livenessProbe?: Probe;
          readonly readinessProbe?: Probe;
        }[];
      };
    };
  };
}
