// The page's end of the protocol: calls with answers, events to listeners. It knows only a port.
import {
  type CallMessage,
  type CallName,
  type Engine,
  type Params,
  PROTOCOL_VERSION,
  type Result,
  type WorkerEvent,
  type WorkerMessage,
} from '../protocol.ts';
import { timed } from './timing.ts';

/** An error from the worker; its message is for users. */
export class EngineError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/** The common interface of a Worker and a MessagePort. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** An engine behind a port. `fail` rejects all pending calls: the worker could not be loaded, or it crashed. */
export function engineOver(port: Port): Engine & { fail(error: Error): void } {
  const waiting = new Map<number, Waiting>();
  const listeners = new Set<(event: WorkerEvent) => void>();
  let last = 0;
  let dead: Error | undefined;
  const fail = (error: Error) => {
    dead = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const receive = (data: WorkerMessage) => {
    if (data.version !== PROTOCOL_VERSION) {
      fail(new EngineError('VersionError', 'The page was updated while it was open. Reload it.'));
    } else if (data.type === 'event') {
      for (const listener of listeners) listener(data.event);
    } else {
      const call = waiting.get(data.id);
      waiting.delete(data.id);
      if (data.type === 'answer') call?.resolve(data.result);
      else call?.reject(new EngineError(data.name, data.message));
    }
  };
  port.onmessage = ({ data }: MessageEvent<WorkerMessage>) => timed('message', () => receive(data));
  return {
    fail,
    call<K extends CallName>(call: K, params: Params<K>): Promise<Result<K>> {
      if (dead) return Promise.reject(dead);
      const id = ++last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
        const message: CallMessage<K> = { version: PROTOCOL_VERSION, id, call, params };
        port.postMessage(message, []);
      });
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
