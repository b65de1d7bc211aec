// The device in use, as the page reports it; and why it is not a hardware GPU.
import type { Backend } from '../../src/index.ts';
import type { DeviceFacts, WebGpuCause } from '../protocol.ts';

/** Patterns of the browser provider's sentences, in the order of its checks. */
const CAUSES: readonly (readonly [cause: WebGpuCause, sentence: RegExp])[] = [
  ['insecure-context', /not a secure context/],
  ['no-webgpu', /no navigator\.gpu/],
  ['device-refused', /requestDevice: .* refused/],
  ['software', /: a software adapter/],
  ['no-adapter', /found no adapter|requestAdapter failed/],
];

/** Why there is no hardware GPU; undefined if there is one, or if the CPU was requested. */
export function causeOf(backend: Backend, asked: 'auto' | 'gpu' | 'cpu'): WebGpuCause | undefined {
  if (backend.kind === 'gpu') return backend.adapter.software ? 'software' : undefined;
  if (asked === 'cpu') return undefined;
  const notes = backend.notes.join(' ');
  return CAUSES.find(([, sentence]) => sentence.test(notes))?.[0] ?? 'no-adapter';
}

export function deviceFacts(backend: Backend, asked: 'auto' | 'gpu' | 'cpu'): DeviceFacts {
  const { vendor = '', architecture = '', description = '', features = [], limits = {} } = backend.report ?? {};
  return {
    kind: backend.kind,
    name: backend.adapter.name,
    software: backend.adapter.software,
    notes: backend.notes,
    cause: causeOf(backend, asked),
    vendor,
    architecture,
    description,
    features,
    limits,
  };
}
