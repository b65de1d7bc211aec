// The page's memory in bytes: the heaps of page and worker after a collection, the engine's count of its GPU buffers, and the operating
// system's figure for the browser's GPU process, which is independent of the engine.
import { readFile } from 'node:fs/promises';
import type { Browser, CDPSession, Page } from 'playwright';
import { PROTOCOL_VERSION } from '../protocol.ts';

export interface Sample {
  readonly pageHeap: number;
  readonly workerHeap: number;
  readonly gpuBuffers: number;
  /** Resident memory of the GPU process; NaN if the system does not report it. */
  readonly gpuProcess: number;
}

/** Runs in the page before its own code: keeps a reference to its worker. */
export const KEEP_WORKER = `
globalThis.Worker = class extends Worker {
  constructor(...args) {
    super(...args);
    globalThis.keptWorker = this;
  }
};`;

/** The engine's own counters, by a call beside those of the page, which ignores answers to calls it did not make. */
async function engineBytes(page: Page): Promise<number> {
  return page.evaluate(async (version) => {
    const worker = (globalThis as unknown as { keptWorker: Worker }).keptWorker;
    const id = 1e9 + Math.floor(Math.random() * 1e9);
    const answer = new Promise<number>((resolve, reject) => {
      const listen = ({ data }: MessageEvent) => {
        if (data.id !== id) return;
        worker.removeEventListener('message', listen);
        if (data.type === 'answer') resolve(data.result.bytes);
        else reject(new Error(data.message));
      };
      worker.addEventListener('message', listen);
    });
    worker.postMessage({ version, id, call: 'counters', params: {} });
    return answer;
  }, PROTOCOL_VERSION);
}

/** Sends commands to the only worker of a page, through the page's session. */
async function workerSession(session: CDPSession): Promise<(method: string) => Promise<Record<string, number>>> {
  const attached = new Promise<string>((resolve) => {
    session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (targetInfo.type === 'worker') resolve(sessionId);
    });
  });
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const sessionId = await attached;
  let last = 0;
  return (method) => {
    const id = ++last;
    const answer = new Promise<Record<string, number>>((resolve) => {
      const listen = ({ message }: { message: string }) => {
        const parsed = JSON.parse(message) as { id?: number; result: Record<string, number> };
        if (parsed.id !== id) return;
        session.off('Target.receivedMessageFromTarget', listen);
        resolve(parsed.result);
      };
      session.on('Target.receivedMessageFromTarget', listen);
    });
    void session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method }) });
    return answer;
  };
}

async function gpuProcess(session: CDPSession): Promise<number> {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const id = processInfo.find(({ type }) => type.toLowerCase() === 'gpu')?.id;
  const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) * 1024;
}

/** A function that takes a sample of this page. */
export async function memoryOf(browser: Browser, page: Page): Promise<() => Promise<Sample>> {
  const ofBrowser = await browser.newBrowserCDPSession();
  const ofPage = await page.context().newCDPSession(page);
  const ofWorker = await workerSession(ofPage);
  return async () => {
    await ofPage.send('HeapProfiler.collectGarbage');
    await ofWorker('HeapProfiler.collectGarbage');
    return {
      pageHeap: (await ofPage.send('Runtime.getHeapUsage')).usedSize,
      workerHeap: (await ofWorker('Runtime.getHeapUsage'))['usedSize']!,
      gpuBuffers: await engineBytes(page),
      gpuProcess: await gpuProcess(ofBrowser),
    };
  };
}
