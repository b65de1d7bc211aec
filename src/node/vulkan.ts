// Whether this machine can have a Vulkan driver at all. Dawn and the Vulkan loader print failures on standard error if there is none, so
// they are not asked where there is nothing to find.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The system state the answer depends on; tests pass their own. */
export interface VulkanSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly home: string;
  /** The entries of a folder; none if it does not exist. */
  list(folder: string): readonly string[];
}

const here = (): VulkanSurroundings => ({ env: process.env, platform: process.platform, home: homedir(), list });

/** Names of devices under /dev that a GPU driver makes. */
const DEVICE = /^(dri$|nvidia|dxg$|kfd$|mali)/;

/** Environment variables that point the Vulkan loader to drivers. */
const VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'];

/** False only on Linux, with no GPU under /dev and no driver's manifest in any place that the Vulkan loader looks in. */
export function vulkanMayBeThere({ env, platform, home, list }: VulkanSurroundings = here()): boolean {
  if (platform !== 'linux' || VARIABLES.some((name) => env[name])) return true;
  if (list('/dev').some((name) => DEVICE.test(name))) return true;
  const roots = [
    env['XDG_CONFIG_HOME'] ?? join(home, '.config'),
    ...(env['XDG_CONFIG_DIRS'] ?? '/etc/xdg').split(':'),
    '/etc',
    '/usr/local/etc',
    env['XDG_DATA_HOME'] ?? join(home, '.local', 'share'),
    ...(env['XDG_DATA_DIRS'] ?? '').split(':'),
    '/usr/local/share',
    '/usr/share',
    '/run/opengl-driver/share',
  ];
  return roots.some(
    (root) => root !== '' && list(join(root, 'vulkan', 'icd.d')).some((name) => name.endsWith('.json')),
  );
}

function list(folder: string): readonly string[] {
  try {
    return existsSync(folder) ? readdirSync(folder) : [];
  } catch {
    return []; // not ours to read
  }
}
