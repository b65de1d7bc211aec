// Which versions are measured: of the built Thalweg with its Dawn, and of the peers in this folder's node_modules.
import { readFileSync } from 'node:fs';

/** The version of a package of this folder's, or undefined where it is not installed. @param {string} name */
export function versionOf(name) {
  return readVersion(new URL(`node_modules/${name}/package.json`, import.meta.url));
}

function readVersion(/** @type {URL} */ file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).version;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What every report names; a peer that is not installed is left out. @returns {Record<string, string>} */
export function versions() {
  const root = new URL('../../', import.meta.url);
  const all = {
    Thalweg: readVersion(new URL('package.json', root)),
    'TensorFlow.js': versionOf('@tensorflow/tfjs'),
    'jax-js': versionOf('@jax-js/jax'),
    'Dawn (webgpu)': readVersion(new URL('node_modules/webgpu/package.json', root)),
    "the peers' Dawn (webgpu)": versionOf('webgpu'),
    Node: process.versions.node,
  };
  return Object.fromEntries(Object.entries(all).filter(([, version]) => version !== undefined));
}
