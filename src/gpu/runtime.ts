// The one place that talks to a GPUDevice: buffers with labels and a byte count, pipelines cached by their text, bind groups,
// submits, read-backs through rotating staging buffers, and errors turned into ours.
import { DeviceError, ShaderError } from '../graph/errors.ts';
import { type Counters, newCounters } from '../graph/executor.ts';
import type { OpenedDevice } from './adapter.ts';
import { shaderMessage } from './shader-error.ts';

/** How a binding is used: read-only or read-write storage. */
export type Access = 'read' | 'write';

/** A pipeline with the layout of its one bind group. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What a pipeline is made from. */
export interface PipelineFacts {
  readonly label: string;
  readonly code: string;
  readonly entryPoint: string;
  readonly constants: Record<string, number>;
  readonly bindings: readonly { readonly access: Access }[];
}

export class GpuRuntime {
  readonly device: GPUDevice;
  readonly opened: OpenedDevice;
  readonly counters: Counters = newCounters();
  /** Rejects when the device is lost. */
  readonly lost: Promise<never>;
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  readonly #pending = new Set<Promise<void>>();
  /** Rejects of the promises that a lost device must end. */
  readonly #waiting = new Set<(error: DeviceError) => void>();
  /** What went wrong since the last check, to be told once. */
  #failure: DeviceError | undefined;
  /** The device's end, told for good. */
  #gone: DeviceError | undefined;

  constructor(opened: OpenedDevice) {
    this.opened = opened;
    this.device = opened.device;
    this.device.onuncapturederror = ({ error }) => this.#fail(error.message);
    this.lost = this.device.lost.then((info) => {
      const what = info.reason === 'destroyed' ? 'it was disposed' : `it was lost: ${info.message || info.reason}`;
      const error = new DeviceError(
        `GPU ${opened.report.name}: ${what}. Create a new backend and load the last checkpoint.`,
      );
      this.#gone = error;
      for (const reject of this.#waiting) reject(error);
      throw error;
    });
    this.lost.catch(() => {});
  }

  #fail(message: string): void {
    this.#failure ??= new DeviceError(`GPU ${this.opened.report.name}: ${message.trim()}`);
  }

  /** Throws what went wrong since the last call, if anything did; a lost device is told at every call. */
  check(): void {
    if (this.#gone) throw this.#gone;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  /** `promise`, or the device's end if that comes first. (A race with `lost` would leave a reaction on it for good.) */
  async #orLost<T>(promise: Promise<T>): Promise<T> {
    let reject!: (error: DeviceError) => void;
    const end = new Promise<never>((_, no) => {
      reject = no;
    });
    this.#waiting.add(reject);
    this.opened.awaits?.(promise);
    try {
      return await Promise.race([promise, end]);
    } finally {
      this.#waiting.delete(reject);
    }
  }

  /** A zeroed storage buffer. */
  buffer(label: string, bytes: number): GPUBuffer {
    return this.#create(label, bytes, GPU_USAGE.STORAGE | GPU_USAGE.COPY_SRC | GPU_USAGE.COPY_DST);
  }

  #create(label: string, bytes: number, usage: number): GPUBuffer {
    this.check();
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const most = this.device.limits.maxBufferSize;
    if (size > most) {
      throw new DeviceError(
        `${label}: ${size} bytes are more than this adapter's largest buffer (${most}). Use a smaller batch or model.`,
      );
    }
    this.device.pushErrorScope('out-of-memory');
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#watch(
      this.device.popErrorScope().then((error) => {
        if (error) this.#fail(`${label}: no memory for ${size} bytes. Use a smaller batch size, or a smaller model.`);
      }),
    );
    this.counters.buffers++;
    this.counters.bytes += size;
    this.counters.peakBytes = Math.max(this.counters.peakBytes, this.counters.bytes);
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    this.counters.bytes -= buffer.size;
    buffer.destroy();
  }

  #watch(promise: Promise<void>): void {
    const watched = promise.catch(() => {}).finally(() => this.#pending.delete(watched));
    this.#pending.add(watched);
  }

  /** Waits until everything created so far is known to be good, or throws. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
    this.check();
  }

  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView): void {
    this.check();
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const whole = bytes.length & ~3;
    if (whole > 0) this.device.queue.writeBuffer(buffer, offset, bytes as Uint8Array<ArrayBuffer>, 0, whole);
    if (whole === bytes.length) return;
    const tail = new Uint8Array(4);
    tail.set(bytes.subarray(whole));
    this.device.queue.writeBuffer(buffer, offset + whole, tail);
  }

  /** The compiled form of a shader, whose bindings 0, 1, … of group 0 have the accesses of its own. Cached by text. */
  pipeline(shader: PipelineFacts): Promise<Pipeline> {
    const { code, bindings, entryPoint, constants } = shader;
    const accesses = bindings.map(({ access }) => access);
    const key = `${accesses.join()} ${entryPoint} ${JSON.stringify(constants)}\n${code}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compile(shader, accesses);
      this.#pipelines.set(key, pipeline);
      pipeline.catch(() => this.#pipelines.delete(key));
    }
    return pipeline;
  }

  async #compile(
    { label, code, entryPoint, constants }: PipelineFacts,
    accesses: readonly Access[],
  ): Promise<Pipeline> {
    this.check();
    const layout = this.#layout(accesses);
    this.counters.pipelines++;
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ label, code });
    const invalid = this.device.popErrorScope();
    try {
      const made = this.device.createComputePipelineAsync({
        label,
        layout: this.device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint, constants },
      });
      this.opened.awaits?.(made);
      const pipeline = await made;
      this.counters.compiled++;
      await invalid;
      return { pipeline, layout };
    } catch (error) {
      this.check();
      await invalid.catch(() => undefined);
      const info = await module.getCompilationInfo().catch(() => undefined);
      throw new ShaderError(shaderMessage(label, code, info?.messages ?? [], (error as Error).message));
    }
  }

  #layout(accesses: readonly Access[]): GPUBindGroupLayout {
    const key = accesses.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.device.createBindGroupLayout({
        label: key,
        entries: accesses.map((access, binding) => ({
          binding,
          visibility: 4, // GPUShaderStage.COMPUTE
          buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  bindGroup(label: string, layout: GPUBindGroupLayout, entries: readonly GPUBufferBinding[]): GPUBindGroup {
    this.counters.bindGroups++;
    return this.device.createBindGroup({
      label,
      layout,
      entries: entries.map((resource, binding) => ({ binding, resource })),
    });
  }

  submit(encoder: GPUCommandEncoder): void {
    this.check();
    this.device.queue.submit([encoder.finish()]);
    this.counters.submits++;
  }

  /** Waits for everything submitted so far. */
  async done(): Promise<never[]> {
    await this.#orLost(this.device.queue.onSubmittedWorkDone());
    this.check();
    return [];
  }

  /** A staging buffer that `readBack` gives back. */
  staging(bytes: number): GPUBuffer {
    const free = this.#staging.get(stagingSize(bytes));
    return free?.pop() ?? this.#create('staging', stagingSize(bytes), GPU_USAGE.MAP_READ | GPU_USAGE.COPY_DST);
  }

  /** The bytes of a staging buffer, when everything submitted before is done. */
  async readBack(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await this.#orLost(staging.mapAsync(1, 0, stagingSize(bytes)));
    } catch (error) {
      // A browser may refuse the mapping a moment before it says that the device is lost, which is the reason to tell.
      await Promise.race([this.lost.catch(() => {}), new Promise((resolve) => setTimeout(resolve, LOST_SOON))]);
      this.check();
      throw new DeviceError(`GPU ${this.opened.report.name}: reading back failed: ${(error as Error).message}`);
    }
    const copy = staging.getMappedRange(0, stagingSize(bytes)).slice(0, bytes);
    staging.unmap();
    const free = this.#staging.get(staging.size) ?? [];
    free.push(staging);
    this.#staging.set(staging.size, free);
    this.check();
    return copy;
  }

  dispose(): void {
    for (const list of this.#staging.values()) for (const buffer of list) this.destroy(buffer);
    this.#staging.clear();
    this.opened.close();
  }
}

/** Milliseconds within which a device that is lost says so. */
const LOST_SOON = 100;

/** GPUBufferUsage, which Node does not have as a global. */
const GPU_USAGE = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, STORAGE: 128 } as const;

/** Powers of two, so that few sizes serve all. */
function stagingSize(bytes: number): number {
  return 2 ** Math.max(8, Math.ceil(Math.log2(bytes)));
}
