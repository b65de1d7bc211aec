// What may be asked of a device and what is said about one that was found, as plain data: the package's declarations speak of
// these and of no WebGPU type, so that programs without the DOM's types can use them.

/** Which backend: `auto` takes a hardware GPU where there is one and the CPU backend otherwise; `gpu` software adapters too. */
export type DeviceKind = 'auto' | 'gpu' | 'cpu';

/** Which WebGPU adapter. `name` is a case-insensitive part of its name, description, vendor, architecture or device. */
export type AdapterChoice = 'hardware' | 'software' | { name: string };

/** What every report, benchmark and page says about the adapter it ran on. */
export interface AdapterReport {
  /** The device's own name where the platform tells it (`NVIDIA H100 80GB HBM3`), else vendor and architecture. */
  name: string;
  vendor: string;
  architecture: string;
  description: string;
  /** The driver and its version, or '' where the platform hides it (browsers do). */
  driver: string;
  /** True where a processor plays the GPU: its speeds are not a GPU's. */
  software: boolean;
  /** The features the device was opened with. */
  features: string[];
  /** The limits the device was opened with. */
  limits: Record<string, number>;
}
