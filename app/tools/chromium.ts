// A real Chromium with WebGPU on SwiftShader, from npm alone on Linux x64; elsewhere the installed Chrome.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packed from '@sparticuz/chromium';
import { type Browser, chromium, type LaunchOptions } from 'playwright';

const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

let unpacking: Promise<LaunchOptions> | undefined;

/** Whether this machine can run the Chromium from npm. */
const hasPacked = process.platform === 'linux' && process.arch === 'x64';

/** Locations of Chrome, on machines without a Chromium in npm. */
const INSTALLED = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/opt/google/chrome/chrome',
  ...['PROGRAMFILES', 'PROGRAMFILES(X86)', 'LOCALAPPDATA'].map((name) =>
    join(process.env[name] ?? '', 'Google/Chrome/Application/chrome.exe'),
  ),
];

const installed = (): string | undefined => INSTALLED.find((path) => existsSync(path));

/** Why no browser can be started here, and what to do; undefined if one can. */
export function whyNoBrowser(): string | undefined {
  if (hasPacked || installed()) return undefined;
  return `There is no Chromium in npm for ${process.platform} ${process.arch}, and no Chrome is installed. Install Google Chrome.`;
}

/** Playwright's launch options. Unpacked once per process, and removed at its end. @throws Error if there is no browser. */
export async function launchOptions(): Promise<LaunchOptions> {
  const missing = whyNoBrowser();
  if (missing) throw new Error(missing);
  if (!hasPacked) return { executablePath: installed(), args: [...FLAGS] };
  unpacking ??= unpack();
  return { ...(await unpacking), args: [...FLAGS] };
}

async function unpack(): Promise<LaunchOptions> {
  // A private folder: anyone can write to the shared temporary folder, and Chromium loads libraries from here.
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-chromium-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  // With the second of these it unpacks the NSS libraries that a bare machine lacks, too.
  const restore = withEnvironment({ TMPDIR: folder, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' });
  const executablePath = await packed.executablePath().finally(restore);
  writeFileSync(join(folder, 'fonts.conf'), fontsIn(folder));
  const { LD_LIBRARY_PATH } = process.env;
  const libraries = [join(folder, 'al2023', 'lib'), ...(LD_LIBRARY_PATH ? [LD_LIBRARY_PATH] : [])].join(':');
  const env = { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_PATH: folder } as Record<string, string>;
  return { executablePath, env };
}

/** Sets variables of this process's environment; the returned function restores them. */
function withEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

/** The package's own configuration names other folders, and a Chromium without fonts ends at the first text field. */
const fontsIn = (folder: string) =>
  `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}/fonts</dir>` +
  `<dir>/usr/share/fonts</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>`;

export async function launchChromium(): Promise<Browser> {
  return chromium.launch(await launchOptions());
}
