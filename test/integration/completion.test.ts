import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { built } from '../support/built.ts';

/** The client with nothing in its environment: a completion needs no configuration. */
function completion(shell: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['dist/client.js', 'completion', shell], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '' },
  });
}

describe('shell completion', function () {
  this.timeout(30_000);
  before(async function () {
    this.timeout(120_000);
    await built();
  });

  it('completes verbs, their verbs, options and datasets in bash', () => {
    const { status, stdout, stderr } = completion('bash');
    assert.deepEqual([status, stderr], [0, '']);
    const cases: readonly (readonly [string, string])[] = [
      ['tidemark ap', 'apply-late'],
      ['tidemark schedule re', 'resume'],
      ['tidemark apply-late i', 'inc'],
      ['tidemark watermark set inc --f', '--force'],
      ['tidemark completion z', 'zsh'],
      ['tidemark status x', ''],
    ];
    for (const [line, words] of cases) {
      const script = `${stdout}
COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _tidemark; echo "\${COMPREPLY[*]}"`;
      assert.equal(execFileSync('bash', ['-c', script], { encoding: 'utf8' }), `${words}\n`, line);
    }
  });

  it('is the same in zsh, behind its own loader of such functions; other shells are a usage error', () => {
    const zsh = completion('zsh').stdout;
    assert.equal(zsh, `autoload -U +X bashcompinit && bashcompinit\n${completion('bash').stdout}`);
    assert.equal(completion('fish').status, 2);
  });
});
