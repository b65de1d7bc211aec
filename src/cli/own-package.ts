// Module resolution while --model is in use: `thalweg`, `thalweg/nn` and so on are this package itself, whatever the importing module has
// installed. Node loads this file in a separate thread.
import type { ResolveHook } from 'node:module';

const OWN = /^thalweg(\/|$)/;

export const resolve: ResolveHook = (specifier, context, next) =>
  next(specifier, OWN.test(specifier) ? { ...context, parentURL: import.meta.url } : context);
