// Finding a WebGPU device: the choices, the report on the device found, and the browser's provider.
// Node's provider (Dawn) lives in src/node/dawn.ts and opens its adapters with the same `openAdapter`.
import { DeviceError } from '../graph/errors.ts';
import type { AdapterChoice, AdapterReport } from './report.ts';

export type { AdapterChoice, AdapterReport, DeviceKind } from './report.ts';

/** A device that is ready to use. */
export interface OpenedDevice {
  device: GPUDevice;
  report: AdapterReport;
  /** Called with each promise that waits for the device, if waiting costs host time. */
  awaits?(promise: Promise<unknown>): void;
  /** Destroys the device and lets the process exit. Safe to call twice. */
  close(): void;
}

/** What a provider found: a device or none, and one sentence for each candidate it rejected. */
export interface OpenResult {
  opened: OpenedDevice | undefined;
  refused: string[];
}

/** Opens devices: `navigator.gpu` in a browser, Dawn in Node. Missing devices are reported in `refused`, never thrown. */
export interface GpuProvider {
  open(choice: AdapterChoice | undefined, options?: { allowSoftware: boolean }): Promise<OpenResult>;
}

/** The limits that matter to compute kernels; all others stay at WebGPU's defaults. */
const WANTED_LIMITS = [
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

const WANTED_FEATURES: readonly GPUFeatureName[] = ['timestamp-query', 'shader-f16', 'subgroups'];

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|\bwarp\b|basic render|null[ -]backend/i;

/** Whether one of these names belongs to an adapter that computes on the CPU (or, `null`, not at all). */
export function isSoftwareName(...names: readonly string[]): boolean {
  return names.some((name) => SOFTWARE.test(name));
}

/** The one-line adapter name for every measurement: `SwiftShader Device (Subzero), software`. */
export function describe(report: AdapterReport): string {
  return report.software ? `${report.name}, software` : report.name;
}

/** Facts that only the provider knows; they replace the adapter's own in the report. */
export interface AdapterFacts {
  name?: string;
  description?: string;
  driver?: string;
  software?: boolean;
}

/** Whether an adapter matches the requested name. `lavapipe` is the common name of Mesa's `llvmpipe` device. */
export function answersTo(wanted: string, names: readonly string[]): boolean {
  const sought = wanted.trim().toLowerCase().replace('lavapipe', 'llvmpipe');
  return sought !== '' && names.some((name) => name.toLowerCase().includes(sought));
}

/** All names by which an adapter describes itself. */
export function namesOf(info: GPUAdapterInfo): string[] {
  return [info.description, info.vendor, info.architecture, info.device].map((text) => text ?? '');
}

/** Whether an adapter is a software one, by its own flag or by its name. */
export function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  // Older browsers have no such flag on `info`: undefined is falsy and the name decides.
  return Boolean(info.isFallbackAdapter) || isSoftwareName(...namesOf(info));
}

/**
 * Opens a device with the adapter's own limits for those that kernels benefit from. `released` is called once, after the device has been
 * destroyed.
 * @throws DeviceError with the browser's or Dawn's reason and the requested limits.
 */
export async function openAdapter(
  adapter: GPUAdapter,
  facts: AdapterFacts = {},
  released: () => void = () => {},
): Promise<OpenedDevice> {
  const requiredFeatures = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const requiredLimits: Record<string, number> = {};
  for (const limit of WANTED_LIMITS) {
    const value = adapter.limits[limit];
    if (typeof value === 'number') requiredLimits[limit] = value;
  }
  const name = facts.name ?? nameOf(adapter.info);
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ label: 'thalweg', requiredFeatures, requiredLimits });
  } catch (error) {
    const asked = Object.entries(requiredLimits).map(([limit, value]) => `${limit} ${value}`);
    throw new DeviceError(
      `requestDevice: ${name} refused: ${sentence(error)} The requested limits are the adapter's own: ${asked.join(', ')}. ` +
        'Update the browser or the driver, or use the CPU backend.',
    );
  }
  let closed = false;
  return {
    device,
    report: { ...reportOf(adapter.info, device), ...definedOnly(facts), name },
    close() {
      if (closed) return;
      closed = true;
      device.destroy();
      released();
    },
  };
}

function reportOf(info: GPUAdapterInfo, device: GPUDevice): Omit<AdapterReport, 'name'> {
  const limits: Record<string, number> = {};
  // Limits are getters on the prototype, so Object.entries does not see them.
  for (const limit in device.limits) {
    const value: unknown = device.limits[limit as keyof GPUSupportedLimits];
    if (typeof value === 'number') limits[limit] = value;
  }
  return {
    vendor: info.vendor ?? '',
    architecture: info.architecture ?? '',
    description: info.description ?? '',
    // Chromium reports the driver only under --enable-webgpu-developer-features.
    driver: (info as { driver?: string }).driver ?? '',
    software: isSoftwareAdapter(info),
    features: [...device.features].sort(),
    limits,
  };
}

function definedOnly(facts: AdapterFacts): AdapterFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

function nameOf(info: GPUAdapterInfo): string {
  if (info.description) return info.description;
  return [info.vendor, info.architecture, info.device].filter(Boolean).join(' ') || 'unnamed adapter';
}

/** An error's first line, with a final period. */
export function sentence(error: unknown): string {
  const message = error instanceof Error ? error.message || error.name : String(error);
  const line = message.trim().split('\n')[0]?.trim() ?? '';
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

/** The reason for rejecting a software adapter where hardware is required. */
export function softwareRefused(name: string): string {
  return `${name}: a software adapter, which computes on the CPU. Take it with adapter 'software', or install a GPU driver.`;
}

/**
 * The browser's provider. It distinguishes five common causes of failure: a page that is not a secure context, a browser without WebGPU, no
 * adapter, a refused device, and a software adapter where hardware was requested.
 */
export function browserProvider(): GpuProvider {
  return {
    async open(choice, { allowSoftware } = { allowSoftware: true }) {
      const refused: string[] = [];
      const gpu = browserGpu(refused);
      if (!gpu) return { opened: undefined, refused };
      const adapter = await browserAdapter(gpu, choice, choice !== 'hardware' && allowSoftware, refused);
      if (!adapter) return { opened: undefined, refused };
      try {
        return { opened: await openAdapter(adapter), refused };
      } catch (error) {
        refused.push(error instanceof DeviceError ? error.message : sentence(error));
        return { opened: undefined, refused };
      }
    },
  };
}

function browserGpu(refused: string[]): GPU | undefined {
  const here = globalThis as { isSecureContext?: boolean; navigator?: Navigator };
  if (here.isSecureContext === false) {
    // Checked first: navigator.gpu is missing here too, but the GPU is not the cause.
    refused.push(
      'WebGPU: this page is not a secure context. Serve it over https, or open it as http://localhost or http://127.0.0.1.',
    );
    return undefined;
  }
  if (here.navigator?.gpu) return here.navigator.gpu;
  refused.push(
    !here.navigator || here.navigator.userAgent?.startsWith('Node.js')
      ? "WebGPU: Node has no built-in WebGPU. Import from 'thalweg/node' to use Dawn (npm install webgpu)."
      : 'WebGPU: this browser has no navigator.gpu. Use Chrome or Edge 127, Safari 26, Firefox 141, or newer.',
  );
  return undefined;
}

const HARDWARE_ADVICE =
  'Turn on hardware acceleration in the browser settings and update the GPU driver; chrome://gpu shows if the driver ' +
  'is blocklisted; Chrome on Linux may need --enable-unsafe-webgpu --enable-features=Vulkan.';

/** Pages cannot list adapters, so these requests are made in turn and each adapter found is checked. */
const REQUESTS: readonly GPURequestAdapterOptions[] = [
  { powerPreference: 'high-performance' },
  { powerPreference: 'low-power' },
  { forceFallbackAdapter: true },
];

async function browserAdapter(
  gpu: GPU,
  choice: AdapterChoice | undefined,
  allowSoftware: boolean,
  refused: string[],
): Promise<GPUAdapter | undefined> {
  const seen = new Set<string>();
  for (const request of choice === 'software' ? [...REQUESTS].reverse() : REQUESTS) {
    const adapter = await gpu.requestAdapter(request).catch((error: unknown) => {
      refused.push(`WebGPU: requestAdapter failed: ${sentence(error)}`);
      return null;
    });
    if (!adapter || seen.has(nameOf(adapter.info))) continue;
    const name = nameOf(adapter.info);
    seen.add(name);
    const objection = objectionTo(name, adapter.info, choice, allowSoftware);
    if (objection) {
      refused.push(objection);
      continue;
    }
    if (choice === undefined && isSoftwareAdapter(adapter.info)) {
      refused.push(`WebGPU: the browser offers no hardware adapter, only ${name}. ${HARDWARE_ADVICE}`);
    }
    return adapter;
  }
  if (refused.length === 0) refused.push(`WebGPU: requestAdapter() found no adapter. ${HARDWARE_ADVICE}`);
  return undefined;
}

/** Why an adapter is rejected, as a sentence, or undefined if it is suitable. */
export function objectionTo(
  name: string,
  info: GPUAdapterInfo,
  choice: AdapterChoice | undefined,
  allowSoftware: boolean,
): string | undefined {
  const software = isSoftwareAdapter(info);
  if (typeof choice === 'object' && !answersTo(choice.name, [name, ...namesOf(info)])) {
    return `${name}: not the requested adapter, '${choice.name}'.`;
  }
  if (choice === 'software' && !software) return `${name}: this is a hardware adapter, but software was requested.`;
  if (software && !allowSoftware) return softwareRefused(name);
  return undefined;
}
