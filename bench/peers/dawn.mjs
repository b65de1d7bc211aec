// Dawn for the peers: `navigator.gpu` as pages have it, on the adapter that Thalweg runs on.
import { dist } from './dist.mjs';

/** Dawn crashes at a garbage collection if what `create` returned has been dropped. */
let gpu;

/**
 * Installs Dawn; to be called before the library is imported, which looks for `navigator` as it loads.
 * @param {import('./thalweg.mjs').Adapter} adapter
 * @throws where the peers' Dawn does not find that adapter
 */
export async function installDawn({ name, driver, computes }) {
  if (/swiftshader/i.test(name)) await useSwiftShader();
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  gpu = create(computes ? [`adapter=${name}`] : ['backend=null']);
  const found = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!found) throw new Error(`the peers' Dawn gives no adapter for ${name}`);
  if (computes && found.info.description !== driver)
    throw new Error(`the peers' Dawn is on ${found.info.description}, not on ${name} (${driver})`);
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu, userAgent: `Node.js/${process.versions.node}`, hardwareConcurrency: 1 },
    configurable: true,
  });
}

async function useSwiftShader() {
  const { unpackSwiftShader, loadVulkanLoader } = await dist('node/swiftshader.js');
  const { icd, loader } = unpackSwiftShader();
  loadVulkanLoader(loader);
  process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = icd;
}
