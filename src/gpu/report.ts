// Device choices and device reports as plain data: the package's declarations use these and no WebGPU types, so that programs without the
// DOM's types can use them.

/** Which backend: `auto` takes a hardware GPU if there is one, else the CPU backend; `gpu` accepts software adapters too. */
export type DeviceKind = 'auto' | 'gpu' | 'cpu';

/** Which WebGPU adapter. `name` is a case-insensitive part of its name, description, vendor, architecture or device. */
export type AdapterChoice = 'hardware' | 'software' | { name: string };

/** The adapter's facts for every report, benchmark and page. */
export interface AdapterReport {
  /** The device's name if the platform reports it (`NVIDIA H100 80GB HBM3`), else vendor and architecture. */
  name: string;
  /** `GPUAdapterInfo.vendor` (`nvidia`), or '' where the platform hides it. */
  vendor: string;
  /** `GPUAdapterInfo.architecture` (`ampere`), or '' where the platform hides it. */
  architecture: string;
  /** `GPUAdapterInfo.description`, or '' where the platform hides it. */
  description: string;
  /** The driver and its version, or '' if the platform hides it, as browsers do. */
  driver: string;
  /** Whether the adapter computes on the CPU: its speeds are not a GPU's. */
  software: boolean;
  /** The features the device was opened with. */
  features: string[];
  /** The limits the device was opened with. */
  limits: Record<string, number>;
}
