// The components of panels: panel, button, figures, bars, notes. Fields have their own file and are exported from here, too. Every
// component is native HTML with a label; its styles are in styles/kit.css.
import type { ComponentChildren } from 'preact';
import '../styles/kit.css';

export { EntryField, LogSlider, NumberField, numberText, SelectField, Slider, TextField } from './fields.tsx';

interface PanelProps {
  readonly id: string;
  readonly title: string;
  readonly lead?: string;
  readonly children: ComponentChildren;
}

/** A part of the page with a heading, and one sentence under it. */
export function Panel({ id, title, lead, children }: PanelProps) {
  return (
    <section id={id} class="panel" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`} tabIndex={-1}>
        {title}
      </h2>
      {lead && <p class="panel-lead">{lead}</p>}
      {children}
    </section>
  );
}

interface ButtonProps {
  readonly onClick: () => void;
  readonly children: ComponentChildren;
  readonly primary?: boolean;
  readonly disabled?: boolean;
  readonly testid?: string;
  readonly pressed?: boolean;
  readonly title?: string;
}

export function Button({ onClick, children, primary, disabled, testid, pressed, title }: ButtonProps) {
  return (
    <button
      type="button"
      class={primary ? 'button button-primary' : 'button'}
      disabled={disabled}
      data-testid={testid}
      aria-pressed={pressed}
      title={title}
      onClick={() => onClick()}
    >
      {children}
    </button>
  );
}

interface StatProps {
  readonly label: string;
  readonly value: string;
  readonly testid?: string;
  readonly unit?: string;
}

/** A labelled figure, whose layout is stable while it changes. */
export function Stat({ label, value, testid, unit }: StatProps) {
  return (
    <p class="stat">
      <span class="stat-label">{label}</span>{' '}
      <span class="stat-figure">
        <b class="stat-value" data-testid={testid}>
          {value}
        </b>
        {unit && <span class="stat-unit"> {unit}</span>}
      </span>
    </p>
  );
}

interface BarItem {
  readonly label: string;
  /** 0 to 1. */
  readonly value: number;
  readonly text: string;
  readonly strong?: boolean;
}

interface BarsProps {
  readonly items: readonly BarItem[];
  readonly label: string;
  readonly testid?: string;
}

/** Horizontal bars, each with its number: a list to screen readers. */
export function Bars({ items, label, testid }: BarsProps) {
  return (
    <ul class="bars" aria-label={label} data-testid={testid}>
      {items.map((item) => (
        <li key={item.label} class={item.strong ? 'bar bar-strong' : 'bar'}>
          <span class="bar-label">{item.label}</span>
          <span class="bar-track" aria-hidden="true">
            <span
              class="bar-fill"
              style={{ transform: `scaleX(${Math.min(Math.max(item.value || 0, 0), 1).toFixed(4)})` }}
            />
          </span>
          <span class="bar-text">{item.text}</span>
        </li>
      ))}
    </ul>
  );
}

/** Content shown on demand. */
export function Details({ summary, children }: { readonly summary: string; readonly children: ComponentChildren }) {
  return (
    <details class="details">
      <summary>{summary}</summary>
      <div class="details-body">{children}</div>
    </details>
  );
}

interface NoteProps {
  readonly level: 'info' | 'warning' | 'error';
  readonly children: ComponentChildren;
  readonly onDismiss?: () => void;
}

const LEVEL_NAME = { info: 'Note', warning: 'Warning', error: 'Error' } as const;

/** A message; its level is named, not only coloured. */
export function Note({ level, children, onDismiss }: NoteProps) {
  return (
    <div class={`note note-${level}`}>
      <b class="note-level">{LEVEL_NAME[level]}</b>
      <div class="note-text">{children}</div>
      {onDismiss && (
        <button type="button" class="note-dismiss" aria-label="Dismiss this message" onClick={() => onDismiss()}>
          <svg class="note-cross" viewBox="0 0 12 12" aria-hidden="true">
            <path d="M2 2l8 8M10 2l-8 8" />
          </svg>
        </button>
      )}
    </div>
  );
}

interface ProgressProps {
  readonly label: string;
  readonly value: number;
  readonly max: number;
}

/** A progress bar; a `max` of 0 means that the progress is unknown. */
export function Progress({ label, value, max }: ProgressProps) {
  return (
    <label class="progress">
      <span>{label}</span>
      <progress value={max > 0 ? value : undefined} max={max > 0 ? max : undefined} />
    </label>
  );
}
