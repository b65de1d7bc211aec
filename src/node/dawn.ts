// Node's WebGPU: Dawn, from the npm package `webgpu`. It takes a hardware adapter if there is one, else SwiftShader from npm, else a
// software Vulkan driver of the system, and says why it rejected each other one.
import { isMainThread } from 'node:worker_threads';
import {
  type AdapterChoice,
  answersTo,
  type GpuProvider,
  isSoftwareAdapter,
  isSoftwareName,
  namesOf,
  type OpenedDevice,
  type OpenResult,
  objectionTo,
  openAdapter,
  sentence,
  softwareRefused,
} from '../gpu/adapter.ts';
import { DeviceError } from '../graph/errors.ts';
import { Rest } from './rest.ts';
import { findSwiftShader as findArchive, loadVulkanLoader, unpackSwiftShader } from './swiftshader.ts';
import { vulkanMayBeThere } from './vulkan.ts';

/** The exports of Dawn's npm package. */
export interface DawnModule {
  create(options: string[]): GPU;
  /** `GPUBufferUsage`, `GPUMapMode`, the error classes: globals in a browser. */
  globals?: object;
}

/** The sources of Dawn and SwiftShader; tests pass their own. */
export interface DawnSources {
  importDawn(): Promise<DawnModule>;
  /** Throws if the package with SwiftShader is not installed. */
  findSwiftShader(): void;
  /** Makes SwiftShader loadable and returns its ICD file for `VK_DRIVER_FILES`. */
  prepareSwiftShader(): string;
  /** Whether the system may have its own driver; otherwise Dawn is not asked. */
  driverMayBeThere(): boolean;
}

/** The command that installs Dawn. */
export const INSTALL_DAWN = 'npm install webgpu';

/** Every flag that Dawn is started with. Adapters ignore toggles that do not apply to them. */
const TOGGLES = [
  // Timestamps, and experimental features, such as subgroup matrices.
  'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia',
  // Otherwise timestamps come in steps of 65.5 us.
  'disable-dawn-features=timestamp_quantization',
];

/** Dawn crashes at a garbage collection if the object that `create` returned has been dropped while a device lives. */
const ALIVE = new Set<GPU>();

const SWIFTSHADER_NAMES = ['SwiftShader Device (Subzero)', 'SwiftShader driver', 'google'];

/** Variables of the Vulkan loader that decide which drivers it sees; SwiftShader must be the only one. */
const LOADER_VARIABLES = ['VK_LOADER_DRIVERS_SELECT', 'VK_LOADER_DRIVERS_DISABLE', 'VK_ADD_DRIVER_FILES'];

/** Opens devices through Dawn. `webgpu` is imported at the first `open`, not before. */
export function dawnProvider(sources: Partial<DawnSources> = {}): GpuProvider {
  const {
    importDawn = importWebgpu,
    findSwiftShader = findArchive,
    prepareSwiftShader = swiftShaderOfNpm,
    driverMayBeThere = () => vulkanMayBeThere(),
  } = sources;
  return {
    open: (choice, { allowSoftware } = { allowSoftware: true }) =>
      // One at a time: choosing a driver changes the environment of the whole process for a moment.
      inTurn(async () => {
        const refused: string[] = [];
        try {
          const dawn = await importDawn().catch(explainImport);
          installGlobals(dawn);
          const search = new Search(dawn, choice, allowSoftware, refused, {
            findSwiftShader,
            prepareSwiftShader,
            driverMayBeThere,
          });
          return { opened: await search.run(), refused };
        } catch (error) {
          if (!(error instanceof DeviceError)) throw error;
          refused.push(error.message);
          return { opened: undefined, refused };
        }
      }),
  };
}

let turn: Promise<unknown> = Promise.resolve();

function inTurn(work: () => Promise<OpenResult>): Promise<OpenResult> {
  const mine = turn.then(work);
  const done = () => {}; // so that nothing of the result stays reachable from here
  turn = mine.then(done, done);
  return mine;
}

/** Bundlers must not fail if the optional package is missing: esbuild looks for the `catch`, webpack for the comment. */
function importWebgpu(): Promise<DawnModule> {
  return import(/* webpackIgnore: true */ 'webgpu').catch(explainImport);
}

function explainImport(error: NodeJS.ErrnoException): never {
  if (error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes("'webgpu'")) {
    throw new DeviceError(`Dawn: the package webgpu is not installed. Run: ${INSTALL_DAWN}`);
  }
  const machine = `${process.platform} ${process.arch}`;
  throw new DeviceError(
    `Dawn: the package webgpu cannot be loaded on ${machine}: ${sentence(error)} Use the CPU backend.`,
  );
}

function installGlobals({ globals }: DawnModule): void {
  for (const [name, value] of Object.entries(globals ?? {})) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

function swiftShaderOfNpm(): string {
  const { icd, loader } = unpackSwiftShader();
  loadVulkanLoader(loader);
  return icd;
}

/** One search for a device; its methods are the sources it tries. */
class Search {
  readonly #dawn: DawnModule;
  readonly #choice: AdapterChoice | undefined;
  readonly #allowSoftware: boolean;
  readonly #refused: string[];
  readonly #sources: Omit<DawnSources, 'importDawn'>;

  constructor(
    dawn: DawnModule,
    choice: AdapterChoice | undefined,
    allowSoftware: boolean,
    refused: string[],
    sources: Omit<DawnSources, 'importDawn'>,
  ) {
    this.#dawn = dawn;
    this.#choice = choice;
    this.#allowSoftware = allowSoftware && choice !== 'hardware';
    this.#refused = refused;
    this.#sources = sources;
  }

  async run(): Promise<OpenedDevice | undefined> {
    const wanted = this.#wanted;
    if (wanted?.trim().toLowerCase() === 'null') return this.#openNull();
    const names = this.#sources.driverMayBeThere() ? await listAdapters(this.#dawn) : [];
    // SwiftShader before a software driver of the system: llvmpipe computes faster, but takes many times longer to compile.
    const opened =
      (await this.#openListed(names, 'hardware')) ??
      (await this.#openSwiftShader()) ??
      (await this.#openListed(names, 'software'));
    if (!opened && wanted !== undefined && this.#refused.length === 0) {
      const there = [...(names ?? []), 'SwiftShader (from npm)', 'null'].join(', ');
      this.#refused.push(`adapter '${wanted}': no adapter has that name. Available: ${there}.`);
    }
    return opened;
  }

  get #wanted(): string | undefined {
    return typeof this.#choice === 'object' ? this.#choice.name : undefined;
  }

  async #openListed(
    names: readonly string[] | undefined,
    kind: 'hardware' | 'software',
  ): Promise<OpenedDevice | undefined> {
    // If Dawn cannot list adapters, its own first choice (undefined) is the only candidate.
    if (!names) return kind === 'hardware' ? this.#try(undefined, []) : undefined;
    for (const name of this.#candidates(names, kind)) {
      const opened = await this.#try(name, names);
      if (opened) return opened;
    }
    return undefined;
  }

  /** The listed adapters to try in turn; undefined stands for Dawn's own first choice. */
  #candidates(names: readonly string[], kind: 'hardware' | 'software'): readonly (string | undefined)[] {
    const hardware = names.filter((name) => !isSoftwareName(name));
    const software = names.filter((name) => isSoftwareName(name)).sort(slowestLast);
    const wanted = this.#wanted;
    if (wanted !== undefined) {
      const named = [...hardware, ...software].filter((name) => answersTo(wanted, [name]));
      return kind === 'software' ? [] : named.length > 0 ? named : [...hardware, ...software];
    }
    if (kind === 'software') return software;
    if (this.#choice === 'software') return [];
    // Among several GPUs, Dawn knows the fastest.
    if (hardware.length > 0) return [undefined];
    this.#refused.push(noHardware(software));
    return [];
  }

  async #openSwiftShader(): Promise<OpenedDevice | undefined> {
    const wanted = this.#wanted;
    if (wanted !== undefined && !answersTo(wanted, SWIFTSHADER_NAMES)) return undefined;
    let icd: string;
    try {
      if (!this.#allowSoftware) {
        this.#sources.findSwiftShader();
        this.#refused.push(softwareRefused('SwiftShader'));
        return undefined;
      }
      icd = this.#sources.prepareSwiftShader();
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      this.#refused.push(error.message);
      return undefined;
    }
    const opened = await withOnlyDriver(icd, async () => {
      const names = await listAdapters(this.#dawn);
      return this.#try(
        names?.find((name) => /swiftshader/i.test(name)),
        names ?? [],
      );
    });
    if (!opened) this.#refused.push(swiftShaderSilent(icd));
    return opened;
  }

  /** Tries one adapter by its listed name, or Dawn's own first choice without a name. */
  async #try(name: string | undefined, names: readonly string[]): Promise<OpenedDevice | undefined> {
    let opened: OpenedDevice | undefined;
    let gpu: GPU | undefined;
    const release = () => gpu && ALIVE.delete(gpu);
    try {
      gpu = this.#dawn.create(name === undefined ? TOGGLES : [...TOGGLES, `adapter=${name}`]);
      ALIVE.add(gpu);
      const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
      if (adapter) opened = await this.#openUnlessRefused(adapter, name, names, release);
      else if (names.length > 0)
        this.#refused.push(`${name ?? names[0]}: Dawn lists it, but requestAdapter() returns none.`);
    } catch (error) {
      const why = error instanceof DeviceError ? error.message : `${name ?? 'Dawn'}: ${sentence(error)}`;
      this.#refused.push(why);
    }
    if (!opened) release();
    return opened;
  }

  async #openUnlessRefused(
    adapter: GPUAdapter,
    listed: string | undefined,
    names: readonly string[],
    release: () => void,
  ): Promise<OpenedDevice | undefined> {
    const { info } = adapter;
    const name = listed ?? names.find((other) => slug(other) === info.device) ?? unslug(info);
    // An adapter that was not requested is not a refusal; `run` lists them all if none matches.
    if (this.#wanted !== undefined && !answersTo(this.#wanted, [name, ...namesOf(info)])) return undefined;
    const objection = objectionTo(name, info, this.#choice, this.#allowSoftware);
    if (objection) {
      this.#refused.push(objection);
      return undefined;
    }
    // Dawn puts the driver and its version into the description.
    const facts = { name, driver: info.description, software: isSoftwareAdapter(info) || isSoftwareName(name) };
    const opened = await openAdapter(adapter, facts, release);
    const rest = new Rest();
    return facts.software ? { ...opened, awaits: (promise) => rest.during(promise) } : opened;
  }

  /** Dawn without a device: it validates and records, which measures the host's cost. */
  async #openNull(): Promise<OpenedDevice | undefined> {
    if (!this.#allowSoftware) {
      this.#refused.push(softwareRefused('Null backend'));
      return undefined;
    }
    const gpu = this.#dawn.create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
    const adapter = await gpu.requestAdapter();
    if (!adapter) throw new DeviceError(`Dawn: this version has no null backend. Update it: ${INSTALL_DAWN}`);
    const description = "computes nothing: it measures the host's cost";
    const facts = { name: 'Null backend', description, driver: 'none', software: true };
    const opened = await openAdapter(adapter, facts, () => ALIVE.delete(gpu));
    ALIVE.add(gpu);
    return opened;
  }
}

/** Dawn lists its adapters only in the error for an unknown name. Undefined: this version does not. */
async function listAdapters(dawn: DawnModule): Promise<string[] | undefined> {
  try {
    const adapter = await dawn.create([...TOGGLES, 'adapter=\u0001']).requestAdapter();
    return adapter ? undefined : [];
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const names = [...message.matchAll(/name: '(.*)'\s*$/gm)].map((match) => match[1] ?? '');
    return names.length > 0 || /no suitable/.test(message) ? [...new Set(names)] : undefined;
  }
}

/** A device's name as Dawn formats it in `adapter.info.device`. */
function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
}

function unslug({ device, vendor, architecture }: GPUAdapterInfo): string {
  return device.replace(/-+/g, ' ').trim() || `${vendor} ${architecture}`.trim() || 'unnamed adapter';
}

/** llvmpipe is several times faster than SwiftShader. */
function slowestLast(a: string, b: string): number {
  return Number(/swiftshader/i.test(a)) - Number(/swiftshader/i.test(b));
}

function noHardware(software: readonly string[]): string {
  const seen = software.length > 0 ? `only ${software.join(', ')} (software)` : 'no adapter at all';
  return `Dawn: no hardware adapter found; the system offers ${seen}. ${DRIVER_ADVICE[process.platform] ?? ''}`.trim();
}

const DRIVER_ADVICE: Partial<Record<NodeJS.Platform, string>> = {
  linux:
    "For a GPU, install libvulkan1 and its Vulkan driver (AMD, Intel: mesa-vulkan-drivers; NVIDIA: the driver's GL and " +
    'Vulkan part, and in a container NVIDIA_DRIVER_CAPABILITIES=all).',
  win32: "For a GPU, install its vendor's current driver.",
};

function swiftShaderSilent(icd: string): string {
  return isMainThread
    ? `SwiftShader: it was unpacked, but Dawn found no adapter in it (${icd}). Try VK_LOADER_DEBUG=all to see why.`
    : `SwiftShader: a worker thread cannot choose the driver. Start Node with VK_DRIVER_FILES=${icd}`;
}

/** Runs `work` while the Vulkan loader sees one driver only, then restores the environment. */
async function withOnlyDriver<T>(icd: string, work: () => Promise<T>): Promise<T> {
  const changed: Record<string, string | undefined> = { VK_DRIVER_FILES: icd, VK_ICD_FILENAMES: icd };
  for (const name of LOADER_VARIABLES) changed[name] = undefined;
  const before = Object.keys(changed).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(changed)) set(name, value);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}
