// The only user of a GPUDevice: buffers with labels and a byte count, pipelines cached by their text, bind groups, submits, read-backs
// through rotating staging buffers, and device errors converted to our own.
import { DeviceEnd } from '../graph/device-end.ts';
import { DeviceError, ShaderError } from '../graph/errors.ts';
import { type Counters, newCounters } from '../graph/executor.ts';
import { Recent } from '../graph/recent.ts';
import { type OpenedDevice, sentence } from './adapter.ts';
import { shaderMessage } from './shader-error.ts';

/** How a binding is used: read-only or read-write storage. */
export type Access = 'read' | 'write';

/** A pipeline with the layout of its one bind group. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** The description of a pipeline. */
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
  readonly end = new DeviceEnd();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Recent<Pipeline>(IDLE_PIPELINES);
  readonly #staging = new Map<number, GPUBuffer[]>();
  readonly #pending = new Set<Promise<void>>();
  /** The first error since the last check, thrown once. */
  #failure: DeviceError | undefined;

  constructor(opened: OpenedDevice) {
    this.opened = opened;
    this.device = opened.device;
    this.device.onuncapturederror = ({ error }) => this.#fail(error.message);
    void this.device.lost.then(({ reason, message }) =>
      this.#ends(reason === 'destroyed' ? DISPOSED : `it was lost: ${message || reason}`),
    );
  }

  /** Lanes of every subgroup, if the device has subgroups, all of one size. */
  get subgroupLanes(): number | undefined {
    const { subgroupMinSize, subgroupMaxSize } = this.device.adapterInfo ?? {};
    const fixed = this.opened.report.features.includes('subgroups') && subgroupMinSize === subgroupMaxSize;
    return fixed ? subgroupMinSize : undefined;
  }

  #ends(what: string): void {
    this.end.fail(
      new DeviceError(`GPU ${this.opened.report.name}: ${what}. Create a new backend and load the last checkpoint.`),
    );
  }

  #fail(message: string): void {
    this.#failure ??= new DeviceError(`GPU ${this.opened.report.name}: ${message.trim()}`);
  }

  /** Converts an error thrown by a device call to a DeviceError. */
  #ask<T>(what: string, call: () => T, advice = 'Create a new backend and load the last checkpoint.'): T {
    try {
      return call();
    } catch (error) {
      this.end.check();
      if (error instanceof DeviceError) throw error;
      throw new DeviceError(`GPU ${this.opened.report.name}: ${what} failed: ${sentence(error)} ${advice}`);
    }
  }

  /** The same for a promise of the device, or the device's end if that comes first. */
  async #wait<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      const promise = call();
      this.opened.awaits?.(promise);
      return await this.end.orLost(promise);
    } catch (error) {
      // A browser may reject a mapping just before it reports a lost device, which is the cause to report.
      const soon = new Promise((resolve) => setTimeout(resolve, LOST_SOON));
      await this.end.orLost(soon);
      return this.#ask(what, () => {
        throw error;
      });
    }
  }

  /** Throws the error since the last call, if any; for a lost device, throws at every call. */
  check(): void {
    this.end.check();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  /** A zeroed buffer. Default usage: storage. */
  buffer(label: string, bytes: number, usage: number = USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST): GPUBuffer {
    this.check();
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const most = this.device.limits.maxBufferSize;
    if (size > most) {
      throw new DeviceError(
        `${label}: ${size} bytes are more than this adapter's largest buffer (${most}). ${SMALLER}`,
      );
    }
    const buffer = this.#scoped(
      'out-of-memory',
      `${label}: a buffer of ${size} bytes`,
      () => this.device.createBuffer({ label, size, usage }),
      () => this.#fail(`${label}: no memory for ${size} bytes. ${SMALLER}`),
      SMALLER,
    );
    this.counters.buffers++;
    this.counters.bytes += size;
    this.counters.peakBytes = Math.max(this.counters.peakBytes, this.counters.bytes);
    return buffer;
  }

  /** A call within an error scope, which is always popped; `onError` receives its error, if any. */
  #scoped<T>(
    filter: GPUErrorFilter,
    what: string,
    call: () => T,
    onError: (error: GPUError) => void = () => {},
    advice?: string,
  ): T {
    this.#ask(what, () => this.device.pushErrorScope(filter), advice);
    try {
      return this.#ask(what, call, advice);
    } finally {
      this.#watch(
        (async () => {
          const error = await this.device.popErrorScope();
          if (error) onError(error);
        })(),
      );
    }
  }

  destroy(buffer: GPUBuffer): void {
    this.counters.bytes -= buffer.size;
    buffer.destroy();
  }

  #watch(promise: Promise<void>): void {
    const watched = promise.catch(() => {}).finally(() => this.#pending.delete(watched));
    this.#pending.add(watched);
  }

  /** Waits until everything created so far is validated, or throws. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
    this.check();
  }

  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView): void {
    this.check();
    const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const bytes = (isPlain(data.buffer) ? view : view.slice()) as Uint8Array<ArrayBuffer>;
    const whole = bytes.length & ~3;
    this.#ask(`${buffer.label}: writing ${bytes.length} bytes`, () => {
      if (whole > 0) this.device.queue.writeBuffer(buffer, offset, bytes, 0, whole);
      if (whole === bytes.length) return;
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      this.device.queue.writeBuffer(buffer, offset + whole, tail);
    });
  }

  /**
   * The pipeline of a shader, whose bindings 0, 1, … of group 0 have its accesses. Cached by text, and kept until
   * `owner` releases it.
   */
  pipeline(shader: PipelineFacts, owner?: object): Promise<Pipeline> {
    const { code, bindings, entryPoint, constants } = shader;
    const accesses = bindings.map(({ access }) => access);
    const key = `${accesses.join()} ${entryPoint} ${JSON.stringify(constants)}\n${code}`;
    return this.#pipelines.get(key, () => this.#compile(shader, accesses), owner);
  }

  /** Releases a program's pipelines. */
  releasePipelines(owner: object): void {
    this.#pipelines.release(owner);
  }

  async #compile(
    { label, code, entryPoint, constants }: PipelineFacts,
    accesses: readonly Access[],
  ): Promise<Pipeline> {
    this.check();
    const layout = this.#layout(accesses);
    this.counters.pipelines++;
    const what = `${label}: its shader module`;
    const module = this.#scoped('validation', what, () => this.device.createShaderModule({ label, code }));
    try {
      const made = this.device.createComputePipelineAsync({
        label,
        layout: this.device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint, constants },
      });
      this.opened.awaits?.(made);
      const pipeline = await this.end.orLost(made);
      this.counters.compiled++;
      return { pipeline, layout };
    } catch (error) {
      this.check();
      const info = await module.getCompilationInfo().catch(() => undefined);
      throw new ShaderError(shaderMessage(label, code, info?.messages ?? [], (error as Error).message));
    }
  }

  #layout(accesses: readonly Access[]): GPUBindGroupLayout {
    const key = accesses.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entries = accesses.map((access, binding): GPUBindGroupLayoutEntry => {
        const type = access === 'read' ? 'read-only-storage' : 'storage';
        return { binding, visibility: 4, buffer: { type } }; // GPUShaderStage.COMPUTE
      });
      layout = this.#ask('a bind group layout', () => this.device.createBindGroupLayout({ label: key, entries }));
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  bindGroup(label: string, layout: GPUBindGroupLayout, bound: readonly GPUBufferBinding[]): GPUBindGroup {
    this.counters.bindGroups++;
    const entries = bound.map((resource, binding) => ({ binding, resource }));
    return this.#ask(`${label}: a bind group`, () => this.device.createBindGroup({ label, layout, entries }));
  }

  /** Records commands and submits them. */
  submit(label: string, record: (encoder: GPUCommandEncoder) => void): void {
    this.check();
    this.#ask(`${label}: a submit`, () => {
      const encoder = this.device.createCommandEncoder({ label });
      record(encoder);
      this.device.queue.submit([encoder.finish()]);
    });
    this.counters.submits++;
  }

  /** Waits for everything submitted so far. */
  async done(): Promise<never[]> {
    await this.#wait('waiting for its work', () => this.device.queue.onSubmittedWorkDone());
    this.check();
    return [];
  }

  /** A staging buffer that `readBack` gives back. */
  staging(bytes: number): GPUBuffer {
    const free = this.#staging.get(stagingSize(bytes));
    return free?.pop() ?? this.buffer('staging', stagingSize(bytes), USAGE.MAP_READ | USAGE.COPY_DST);
  }

  /** The bytes of a staging buffer, once all earlier submits are complete. */
  async readBack(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const size = stagingSize(bytes);
    let copy: ArrayBuffer;
    try {
      await this.#wait('reading back', () => staging.mapAsync(1, 0, size));
      copy = this.#ask('reading back', () => {
        const read = staging.getMappedRange(0, size).slice(0, bytes);
        staging.unmap();
        return read;
      });
    } catch (error) {
      this.destroy(staging);
      throw error;
    }
    this.#keep(staging);
    this.check();
    return copy;
  }

  /** Returns a staging buffer for reuse; large ones, and surplus ones, are destroyed. */
  #keep(staging: GPUBuffer): void {
    const free = this.#staging.get(staging.size) ?? [];
    this.#staging.set(staging.size, free);
    if (this.end.over || staging.size > LARGEST_STAGING || free.length >= MOST_STAGING) this.destroy(staging);
    else free.push(staging);
  }

  /** Destroys the device, and releases everything that would keep it in memory. */
  dispose(): void {
    this.#ends(DISPOSED);
    for (const list of this.#staging.values()) for (const buffer of list) this.destroy(buffer);
    this.#staging.clear();
    this.#pipelines.clear();
    this.#layouts.clear();
    this.device.onuncapturederror = null;
    this.opened.close();
  }
}

const DISPOSED = 'it was disposed';
const SMALLER = 'Use a smaller batch or model.';

/** The number of unused pipelines kept for reuse: a training step takes 4 to 10. */
const IDLE_PIPELINES = 64;

/** The bytes of the largest staging buffer that is kept, and how many of each size are kept. */
const [LARGEST_STAGING, MOST_STAGING] = [2 ** 22, 8];

/** Milliseconds within which a lost device reports it. */
const LOST_SOON = 100;

/** GPUBufferUsage, which is not a global in Node. */
export const USAGE = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, STORAGE: 128, QUERY_RESOLVE: 512 } as const;

/** Powers of two, so that few sizes suffice. */
function stagingSize(bytes: number): number {
  return 2 ** Math.max(8, Math.ceil(Math.log2(bytes)));
}

/** Whether Dawn and browsers accept this buffer's bytes: shared memory crashes Dawn in Node, and browsers reject resizable buffers. */
function isPlain(buffer: ArrayBufferLike): boolean {
  const shared = Object.prototype.toString.call(buffer) !== '[object ArrayBuffer]'; // from any realm
  return !shared && (buffer as { resizable?: boolean }).resizable !== true;
}
