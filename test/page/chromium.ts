// A real Chromium with WebGPU on SwiftShader, out of npm alone on Linux x64; elsewhere the Chrome that is installed.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, LaunchOptions } from 'playwright';

const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** How Playwright starts it. */
export async function launchOptions(): Promise<LaunchOptions> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { channel: 'chrome', args: FLAGS };
  // Unpacked into a folder of our own: the shared temporary folder is anybody's.
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-chromium-'));
  const { TMPDIR, AWS_LAMBDA_JS_RUNTIME } = process.env;
  process.env['TMPDIR'] = folder;
  // Makes the package unpack the NSS libraries that a bare machine lacks, and say where they are.
  process.env['AWS_LAMBDA_JS_RUNTIME'] = 'nodejs20.x';
  try {
    const { default: chromium } = await import('@sparticuz/chromium');
    const executablePath = await chromium.executablePath();
    writeFileSync(join(folder, 'fonts.conf'), fontsIn(folder));
    const env = { ...process.env, FONTCONFIG_PATH: folder } as Record<string, string>;
    return { executablePath, args: FLAGS, env };
  } finally {
    restore('TMPDIR', TMPDIR);
    restore('AWS_LAMBDA_JS_RUNTIME', AWS_LAMBDA_JS_RUNTIME);
  }
}

/** The package's own configuration names other folders, and a Chromium without fonts ends at the first text field. */
const fontsIn = (folder: string) =>
  `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}/fonts</dir>` +
  `<dir>/usr/share/fonts</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>`;

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

export async function launchChromium(): Promise<Browser> {
  const { chromium } = await import('playwright');
  return chromium.launch(await launchOptions());
}
