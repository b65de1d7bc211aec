// The device in use: its name and facts and, without a hardware GPU, the reason and the remedy.
import { useState } from 'preact/hooks';
import * as store from '../page/store.ts';
import type { DeviceFacts, WebGpuCause } from '../protocol.ts';
import { count } from '../ui/format.ts';
import { Button, Details, Note, Panel } from '../ui/kit.tsx';
import { copied } from './keep-files.ts';
import '../styles/device.css';

const CAUSES: Record<WebGpuCause, string> = {
  'insecure-context':
    'This page is not a secure context: browsers offer WebGPU only to pages from https or localhost. Your GPU is not the problem; open the page over https.',
  'no-webgpu':
    'This browser has no WebGPU (there is no navigator.gpu). Chrome and Edge have it from version 113 (on Android from 121), Safari from 26, Firefox from 141 on Windows and 145 on macOS with Apple silicon.',
  'no-adapter':
    'This browser has WebGPU but found no adapter: hardware acceleration may be off, the driver out of date or on the browser’s blocklist. On Linux, Chrome may need chrome://flags/#enable-unsafe-webgpu and Vulkan; chrome://gpu has details.',
  'device-refused': 'There is an adapter, but it refused to open a device.',
  software:
    'This browser has no GPU for WebGPU, only a software adapter. For a GPU, enable hardware acceleration in the browser’s settings and update the driver.',
};

/** In the header: why no hardware GPU is used; nothing if one is. */
export function DeviceNote() {
  const device = store.device.value;
  if (!device?.cause) return null;
  const software = device.cause === 'software';
  const { config } = store;
  const onGpu = device.kind === 'gpu';
  return (
    <Note level={software ? 'info' : 'warning'}>
      <div class="note-offer">
        <p>
          {CAUSES[device.cause]} {device.cause === 'device-refused' && device.notes.join(' ')}{' '}
          {onGpu
            ? 'Training runs on it: everything works, but its speeds are not a GPU’s.'
            : `Training runs on the CPU${software ? ', which is faster than the adapter' : ''}.`}
        </p>
        <Button onClick={() => location.reload()}>Look for a GPU again</Button>
        {software && (
          <Button onClick={() => void store.change({ ...config.value, device: onGpu ? 'cpu' : 'gpu' })}>
            {onGpu ? 'Train on the CPU instead' : 'Train on the software adapter'}
          </Button>
        )}
      </div>
    </Note>
  );
}

/** Everything about the device as lines of text, for bug reports. */
function report(device: DeviceFacts): string {
  const limits = Object.entries(device.limits).map(([name, value]) => `  ${name}: ${value}`);
  return [
    `Device: ${device.name} (${device.kind}${device.software ? ', software' : ''})`,
    `Vendor: ${device.vendor || '–'}`,
    `Architecture: ${device.architecture || '–'}`,
    `Description: ${device.description || '–'}`,
    `Browser: ${navigator.userAgent}`,
    `Features: ${device.features.join(', ') || 'none'}`,
    ...device.notes.map((note) => `Note: ${note}`),
    'Limits:',
    ...limits,
  ].join('\n');
}

export function DevicePanel() {
  const device = store.device.value;
  const [said, setSaid] = useState('');
  if (!device) {
    return (
      <Panel id="device" title="Device" lead="The device in use.">
        <p>No device is open yet.</p>
      </Panel>
    );
  }
  const copy = async () => setSaid(await copied(report(device)));
  return (
    <Panel id="device" title="Device" lead="The device in use, as the browser reports it.">
      <Facts device={device} />
      <div class="row">
        <Button onClick={() => void copy()}>Copy device facts</Button>
        <span role="status">{said}</span>
      </div>
      <Details summary="Limits and features">
        <p>Features: {device.features.join(', ') || 'none beyond the standard ones'}.</p>
        <table>
          <thead>
            <tr>
              <th scope="col">Limit</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(device.limits).map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{count(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Details>
    </Panel>
  );
}

function Facts({ device }: { readonly device: DeviceFacts }) {
  const facts: readonly (readonly [string, string])[] = [
    ['Name', device.name],
    ['Kind', device.kind === 'gpu' ? (device.software ? 'software adapter, no hardware' : 'GPU') : 'CPU'],
    ['Vendor', device.vendor],
    ['Architecture', device.architecture],
    ['Description', device.description],
    ['Browser', navigator.userAgent],
    ...device.notes.map((note) => ['Note', note] as const),
  ];
  return (
    <dl class="device-facts">
      {facts.map(([name, value]) => (
        <div key={name + value}>
          <dt>{name}</dt>
          <dd>{value || 'not reported'}</dd>
        </div>
      ))}
    </dl>
  );
}
