// A real Chromium with WebGPU on SwiftShader, out of npm alone on Linux x64; elsewhere the Chrome that is installed.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import './as-lambda.ts';
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

/** How Playwright starts it. */
export async function launchOptions(): Promise<LaunchOptions> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { channel: 'chrome', args: FLAGS };
  // Unpacked into a folder of our own: the shared temporary folder is anybody's.
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-chromium-'));
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = folder;
  try {
    const executablePath = await packed.executablePath();
    writeFileSync(join(folder, 'fonts.conf'), fontsIn(folder));
    const env = { ...process.env, FONTCONFIG_PATH: folder } as Record<string, string>;
    return { executablePath, args: FLAGS, env };
  } finally {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  }
}

/** The package's own configuration names other folders, and a Chromium without fonts ends at the first text field. */
const fontsIn = (folder: string) =>
  `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}/fonts</dir>` +
  `<dir>/usr/share/fonts</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>`;

export async function launchChromium(): Promise<Browser> {
  return chromium.launch(await launchOptions());
}
