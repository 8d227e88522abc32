import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/** The packages that workflow code, and what it stands on, may bring into the bundle. */
const ALLOWED = [
  '@temporalio/common',
  '@temporalio/workflow',
  '@temporalio/worker',
  'long',
  'ms',
  'nexus-rpc',
  'temporal-polyfill',
];
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

describe('the workflow bundle', function () {
  this.timeout(60_000);

  it('holds workflows, domain and the SDK, and nothing else', async () => {
    const sources = await bundledFrom('src/workflows/index.ts');
    assert.ok(
      sources.has('src/workflows'),
      'the bundle has no workflow in it: this test looks in the wrong place',
    );
    const foreign = [...sources].filter(
      (source) => !['src/workflows', 'src/domain', ...ALLOWED].includes(source),
    );
    assert.deepEqual(foreign, []);
  });

  it('would be found out with a package too many', async () => {
    const sources = await bundledFrom('test/support/foreignWorkflow.ts');
    assert.ok(sources.has('csv-parse'));
  });
});

/** The folders and packages that a bundle is made from, read out of its source map. */
async function bundledFrom(entry: string): Promise<Set<string>> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: ROOT + entry,
    logger: new DefaultLogger('ERROR'),
  });
  const map = /sourceMappingURL=data:application\/json;charset=utf-8;base64,([A-Za-z0-9+/=]+)/.exec(
    code,
  )?.[1];
  assert.ok(map, 'the bundle has no source map');
  const { sources } = JSON.parse(Buffer.from(map, 'base64').toString()) as { sources: string[] };
  return new Set(sources.map(placeOf).filter((place) => place !== undefined));
}

function placeOf(source: string): string | undefined {
  const path = source.replace(/^webpack:\/\/[^/]*\//, '').replace(/\?.*$/, '');
  const inPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
  if (inPackage) return inPackage;
  return /(?:^|\/)((?:src|test)\/[^/]+)\//.exec(path)?.[1];
}
