// The engine's tests inside a real Chromium with WebGPU: Vitest's browser provider, whose Chromium is unpacked when the first
// page opens, so that runs without browser tests do not pay for it.
import { type PlaywrightProviderOptions, playwright } from '@vitest/browser-playwright';
import { launchOptions } from '../app/tools/chromium.ts';

export function packedChromium(): ReturnType<typeof playwright> {
  // The provider reads its options as it launches.
  const options: PlaywrightProviderOptions = {};
  const provider = playwright(options);
  return {
    ...provider,
    providerFactory(project) {
      const made = provider.providerFactory(project);
      const openPage = made.openPage.bind(made);
      made.openPage = async (...page) => {
        options.launchOptions ??= await launchOptions();
        return openPage(...page);
      };
      return made;
    },
  };
}
