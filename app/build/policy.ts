// The built page's Content-Security-Policy: it may load itself, and MNIST from its mirrors. `npm run app` has none, since hot reload
// needs inline scripts.
import type { Plugin } from 'vite';
import { MNIST_MIRRORS } from '../../src/data/mnist-files.ts';

const MIRRORS = [...new Set(MNIST_MIRRORS.map((url) => new URL(url).origin))];

export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  `connect-src 'self' ${MIRRORS.join(' ')}`,
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/**
 * Writes the policy into the built page, so that it applies on any static host; the preview also sends it as a header, which applies to
 * the worker, too.
 */
export function contentSecurityPolicy(): Plugin[] {
  return [
    {
      name: 'thalweg-policy',
      apply: 'build',
      transformIndexHtml: () => [
        { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: POLICY }, injectTo: 'head-prepend' },
      ],
    },
    {
      name: 'thalweg-policy-preview',
      configurePreviewServer({ middlewares }) {
        middlewares.use((_, response, next) => {
          response.setHeader('content-security-policy', POLICY);
          next();
        });
      },
    },
  ];
}
