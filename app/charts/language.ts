// The browser’s language as Intl takes it. uPlot hands `navigator.language` to Intl as it is loaded, and browsers that run in the
// POSIX locale name one that Intl refuses (`en-US@posix`): such a name is replaced here, so import this before uPlot.

/** The language of the browser, or English where Intl does not take it. */
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
