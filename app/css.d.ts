// Style sheets are imported for their effect: the build extracts them into files.
declare module '*.css';

/** Constants of the build. */
interface ImportMeta {
  readonly env: { readonly PROD: boolean; readonly MODE: string };
}
