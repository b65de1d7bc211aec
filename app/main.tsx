// The page's entry: opens the worker with the engine, connects the store to it, and renders the page.
import { options, render } from 'preact';
import { App } from './app.tsx';
import { engineOver, type Port } from './page/engine.ts';
import { registerOffline } from './page/offline.ts';
import { connect, notify, ready } from './page/store.ts';
import { timed } from './page/timing.ts';
import './styles/base.css';

/** A dummy port, for a browser that cannot open the worker. */
const NOWHERE: Port = { onmessage: null, postMessage: () => undefined };

function openWorker(): Worker | undefined {
  try {
    return new Worker(new URL('./worker/worker.ts', import.meta.url), {
      type: 'module',
      // The worker's URL differs from the page's, which locates the page's own data.
      name: new URL('.', location.href).href,
    });
  } catch {
    return undefined;
  }
}

function start(): void {
  options.debounceRendering = (flush) => queueMicrotask(() => timed('render', flush));
  const place = document.getElementById('app');
  if (!place) return;
  place.replaceChildren();
  render(<App />, place);
  const worker = openWorker();
  const engine = engineOver(worker ?? NOWHERE);
  const fail = (reason: string) => {
    const text = `The engine ${ready.value ? 'stopped' : 'could not be started'}: ${reason} Reload the page; if that does not help, open it through a web server (https or localhost), in a browser with module workers.`;
    engine.fail(new Error(text));
    notify({ code: 'failed', level: 'error', text });
  };
  if (worker) {
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message ? `${event.message.replace(/\.?$/, '.')}` : 'its script could not be loaded.');
    };
  } else fail('this browser could not open a worker.');
  void connect(engine);
  void registerOffline();
}

start();
