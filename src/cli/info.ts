// `thalweg info`: what was found on this machine, and why other adapters were not used.
import { release } from 'node:os';
import type { Backend } from '../backend.ts';
import { digestOf } from '../graph/tuning.ts';
import { cachedFiles, mnistFolder } from '../node/mnist.ts';
import { tuningFile } from '../node/tuning.ts';
import type { Call } from './context.ts';
import { deviceFields, flagText, tuningFields, withBackend } from './device.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { formatBytes, formatInteger } from './table.ts';
import { plural } from './train-report.ts';
import { thalwegVersion, versionOf } from './versions.ts';

export async function info({ settings, output }: Call): Promise<ExitCode> {
  return withBackend({ settings, output }, async (backend) => {
    const { report, notes } = backend;
    const versions = {
      thalweg: thalwegVersion(),
      node: process.version,
      webgpu: versionOf('webgpu') ?? 'not installed',
      '@sparticuz/chromium': versionOf('@sparticuz/chromium') ?? 'not installed',
    };
    const system = { platform: process.platform, release: release(), arch: process.arch };
    const cache = mnistFolder();
    const cached = await cachedFiles(cache).catch(() => undefined);
    const lines: [string, string][] = [
      ...Object.entries(versions),
      ['system', `${system.platform} ${system.release} ${system.arch}`],
      ['device', backend.line],
    ];
    if (report) {
      const software = report.software ? "yes: it computes on the CPU, so its speeds are not a GPU's" : 'no';
      const maker = [report.vendor, report.architecture].filter(Boolean).join(' ');
      lines.push(['adapter', report.name], ['driver', report.driver || 'unknown'], ['maker', maker || 'unknown']);
      lines.push(['tuning', tuningText(backend)]);
      lines.push(['software', software], ['features', report.features.join(', ') || 'none']);
    }
    lines.push(['MNIST', `${cached ? 'cached' : 'not cached'} in ${cache}`]);
    output.result(columns(lines));
    if (report) output.result(`\nLimits\n${columns(Object.entries(report.limits).map(limitText), '  ')}`);
    if (notes.length > 0)
      output.result(`\nTried and not used\n${notes.map((note) => `  ${flagText(note)}`).join('\n')}`);
    output.event('info', 0, {
      ...deviceFields(backend),
      versions,
      system,
      ...(report && { report }),
      ...tuningFields(backend),
      notTaken: notes,
      mnist: { folder: cache, cached },
    });
    return EXIT.done;
  });
}

/** Which kernels a run would use. */
function tuningText({ tuning, report }: Backend): string {
  if (!tuning) return `none: the default kernels are used (thalweg tune writes ${tuningFile(report!)})`;
  return `${plural(tuning.entries.length, 'choice')}, ${digestOf(tuning)}, from ${tuning.source}`;
}

function columns(lines: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}`).join('\n');
}

/** Limits in bytes have many digits. */
function limitText([name, value]: [string, number]): [string, string] {
  const isBytes = /Size$/.test(name) && !/Workgroup(Size|sPer)/.test(name);
  return [name, isBytes ? `${formatInteger(value)} (${formatBytes(value)})` : formatInteger(value)];
}
