// The worker's entry: messages to the session and its answers back. Arrays are transferred, not copied.
import { createBackend, datasets } from '../../src/index.ts';
import {
  type CallMessage,
  type CallName,
  PROTOCOL_VERSION,
  type WorkerEvent,
  type WorkerMessage,
} from '../protocol.ts';
import { Session } from './session.ts';
import { browserStore } from './snapshot-store.ts';

/** The global of a dedicated worker, which the DOM's types lack. */
const port = globalThis as unknown as {
  postMessage(message: WorkerMessage, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<CallMessage>) => void) | null;
  name: string;
};

const session = new Session({
  post: (event) => send({ version: PROTOCOL_VERSION, type: 'event', event }, transferOf(event)),
  createBackend,
  store: browserStore(),
  data: {
    mnist: datasets.mnist,
    digits: datasets.digits,
    // The page passes its own URL as the worker's name, since the worker's URL differs.
    base: port.name || location.href,
    get online() {
      return navigator.onLine;
    },
  },
  now: () => performance.now(),
  date: () => Date.now(),
});

function send(message: WorkerMessage, transfer: Transferable[] = []): void {
  port.postMessage(message, transfer);
}

/** The buffers to transfer: curves are created for the message only. */
function transferOf(event: WorkerEvent): Transferable[] {
  if (event.type !== 'progress') return [];
  const { step, loss, accuracy } = event.curve;
  return [step, loss, accuracy].map(({ buffer }) => buffer as ArrayBuffer);
}

async function answer<K extends CallName>({ version, id, call, params }: CallMessage<K>): Promise<void> {
  try {
    if (version !== PROTOCOL_VERSION) throw new Error('The page was updated while it was open. Reload it.');
    const result = await session.call(call, params);
    send({ version: PROTOCOL_VERSION, type: 'answer', id, result });
  } catch (error) {
    const { name = 'Error', message = String(error) } = error as Partial<Error>;
    send({ version: PROTOCOL_VERSION, type: 'refusal', id, name, message });
  }
}

port.onmessage = ({ data }) => void answer(data);
