// Where Thalweg's built modules are, for whoever needs one of them.
import { existsSync } from 'node:fs';

const DIST = new URL('../../dist/src/', import.meta.url);

export function isBuilt() {
  return existsSync(new URL('node/index.js', DIST));
}

/** A module of `dist/src`. @param {string} path */
export function dist(path) {
  return import(new URL(path, DIST).href);
}
