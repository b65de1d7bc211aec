// The browser’s language as Intl takes it. uPlot hands `navigator.language` to Intl as it is loaded, and browsers that run in the
// POSIX locale report one that Intl rejects (`en-US@posix`): it is replaced here, so import this before uPlot.

/** The language of the browser, or English if Intl rejects it. */
export const LANGUAGE = usable(navigator.language);

function usable(language: string): string {
  try {
    new Intl.NumberFormat(language);
  } catch {
    Object.defineProperty(navigator, 'language', { value: 'en', configurable: true });
    return 'en';
  }
  return language;
}
