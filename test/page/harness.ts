// A page opened for a test: in a context of its own, with everything it writes to the console or throws kept for the end.
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { afterAll, expect, inject } from 'vitest';

/** A configuration's part: 7,000 made digits from the page's own origin, and a run that no test sees the end of. */
export const DATA = 'data=mnist&epochs=150';

export interface PageOptions {
  /** The configuration, as an address carries it. */
  readonly hash: string;
  /** Whether the page is served as it is built, without data of its own. */
  readonly bare?: boolean;
  /** Put before the worker's program. */
  readonly patchWorker?: string;
  /** Run in the page before its own program. */
  readonly patchPage?: string;
  /** The address of another site than the tests share. */
  readonly site?: string;
  readonly serviceWorkers?: 'allow' | 'block';
}

export interface OpenedPage {
  readonly page: Page;
  /** Waits until the device and the data are there. */
  ready(): Promise<void>;
  /** Another tab of the same browser profile. */
  another(options: PageOptions): Promise<OpenedPage>;
  /** Fails where anything was written to the console as an error or warning, or thrown. */
  expectQuiet(): void;
  close(): Promise<void>;
}

let browser: Promise<Browser> | undefined;

afterAll(async () => {
  await (await browser)?.close();
  browser = undefined;
});

export async function openPage(options: PageOptions): Promise<OpenedPage> {
  browser ??= chromium.connect(inject('browser'));
  const { serviceWorkers = 'block' } = options;
  const viewport = { width: 1280, height: 900 };
  const context = await (await browser).newContext({ viewport, colorScheme: 'light', serviceWorkers });
  context.setDefaultTimeout(30_000);
  return openIn(context, options);
}

async function openIn(context: BrowserContext, options: PageOptions): Promise<OpenedPage> {
  const page = await context.newPage();
  const noise: string[] = [];
  page.on('console', (message) => {
    // Playwright's own words about what it does for `serviceWorkers: 'block'`.
    if (message.text() === 'Service Worker registration blocked by Playwright') return;
    if (['error', 'warning'].includes(message.type())) noise.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => noise.push(`thrown: ${error.message}`));
  if (options.patchPage) await page.addInitScript(options.patchPage);
  if (options.patchWorker) {
    await page.route(/worker-.*\.js$/, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `${options.patchWorker}\n${await response.text()}` });
    });
  }
  const site = options.site ?? inject(options.bare ? 'site' : 'siteWithData');
  await page.goto(`${site}${options.hash}`);
  const ready = async () => {
    await page.locator('[data-testid=state]:not([data-state=loading])').waitFor({ timeout: 60_000 });
  };
  await ready();
  return {
    page,
    ready,
    another: (more) => openIn(context, more),
    expectQuiet: () => expect(noise).toEqual([]),
    close: () => context.close(),
  };
}
