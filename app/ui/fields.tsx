// The fields of a form: a native labelled input, a one-sentence hint and, if the text is invalid, an error message beside it. Nothing is
// committed before Enter or the loss of focus; Escape restores the value.
import { useId, useState } from 'preact/hooks';

/** A number as text, without binary rounding noise or an unnecessary exponent. */
export function numberText(value: number): string {
  return String(Number(value.toPrecision(6)));
}

interface EntryProps {
  readonly label: string;
  readonly value: string;
  /** Applies the text, or returns an error message. */
  readonly commit: (text: string) => string | undefined;
  readonly testid?: string;
  readonly hint?: string;
  readonly error?: string;
  readonly disabled?: boolean;
  readonly inputMode?: 'text' | 'decimal' | 'numeric';
}

/** A line of text that is checked when it is committed. */
export function EntryField({ label, value, commit, testid, hint, error, disabled, inputMode }: EntryProps) {
  const id = useId();
  const [draft, setDraft] = useState<{ readonly of: string; readonly text: string; readonly refused?: string }>();
  const open = draft !== undefined && draft.of === value ? draft : undefined;
  const said = open?.refused ?? error;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        inputMode={inputMode ?? 'text'}
        autocomplete="off"
        spellcheck={false}
        data-testid={testid}
        disabled={disabled}
        value={open?.text ?? value}
        aria-invalid={said ? 'true' : undefined}
        aria-describedby={`${id}-hint`}
        onInput={(event) => setDraft({ of: value, text: event.currentTarget.value })}
        onChange={(event) => {
          const text = event.currentTarget.value;
          const refused = commit(text);
          setDraft(refused ? { of: value, text, refused } : undefined);
          if (!refused) event.currentTarget.value = value;
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.currentTarget.value = value;
          setDraft(undefined);
        }}
      />
      <FieldNote id={`${id}-hint`} hint={hint} error={said} />
    </div>
  );
}

/** The sentence under a field: the error, else the hint. */
function FieldNote({ id, hint, error }: { readonly id: string; readonly hint?: string; readonly error?: string }) {
  return (
    <p id={id} class={error ? 'field-note field-error' : 'field-note'} role={error ? 'alert' : undefined}>
      {error ?? hint ?? ''}
    </p>
  );
}

interface NumberProps {
  readonly label: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  readonly testid?: string;
  readonly hint?: string;
  readonly disabled?: boolean;
}

/** A number between `min` and `max`; `step` 1 or more means a whole one. */
export function NumberField({ label, value, onChange, min, max, step, testid, hint, disabled }: NumberProps) {
  const whole = step !== undefined && step >= 1;
  const commit = (text: string) => {
    const given = text.trim() === '' ? Number.NaN : Number(text);
    const low = min ?? Number.NEGATIVE_INFINITY;
    const high = max ?? Number.POSITIVE_INFINITY;
    if (Number.isFinite(given) && given >= low && given <= high && (!whole || Number.isInteger(given))) {
      if (given !== value) onChange(given);
      return undefined;
    }
    return `${label}: ${JSON.stringify(text.slice(0, 40))} cannot be used. Give a ${whole ? 'whole ' : ''}number${rangeText(min, max)}.`;
  };
  return (
    <EntryField
      label={label}
      value={numberText(value)}
      commit={commit}
      testid={testid}
      hint={hint}
      disabled={disabled}
      inputMode={whole ? 'numeric' : 'decimal'}
    />
  );
}

function rangeText(min?: number, max?: number): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` from ${min} up`;
  return max === undefined ? '' : ` up to ${max}`;
}

interface TextProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
  readonly testid?: string;
  readonly hint?: string;
  readonly error?: string;
}

/** A line of text; `error` is the owner's message about it. */
export function TextField({ label, value, onChange, testid, hint, error }: TextProps) {
  const commit = (text: string) => {
    if (text !== value) onChange(text);
    return undefined;
  };
  return <EntryField label={label} value={value} commit={commit} testid={testid} hint={hint} error={error} />;
}

interface SelectProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly onChange: (value: T) => void;
  readonly testid?: string;
  readonly hint?: string;
  readonly disabled?: boolean;
}

/** One of a few. */
export function SelectField<T extends string>({
  label,
  value,
  options,
  onChange,
  testid,
  hint,
  disabled,
}: SelectProps<T>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        data-testid={testid}
        disabled={disabled}
        value={value}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => {
          const chosen = options[event.currentTarget.selectedIndex];
          if (chosen && chosen.value !== value) onChange(chosen.value);
        }}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} selected={option.value === value}>
            {option.label}
          </option>
        ))}
      </select>
      {hint && <FieldNote id={`${id}-hint`} hint={hint} />}
    </div>
  );
}

interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onInput: (value: number) => void;
  readonly testid?: string;
  readonly hint?: string;
}

/** A slider with its value as text beside it. */
export function Slider({ label, value, min, max, step, onInput, testid, hint }: SliderProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <span class="field-slider">
        <input
          id={id}
          type="range"
          min={min}
          max={max}
          step={step}
          value={value}
          data-testid={testid}
          aria-describedby={hint ? `${id}-hint` : undefined}
          onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
        />
        <output for={id}>{numberText(value)}</output>
      </span>
      {hint && <FieldNote id={`${id}-hint`} hint={hint} />}
    </div>
  );
}

/** Steps of a logarithmic slider for each power of ten: 1, 1.06, 1.12 and so on, rounded so that all are distinct. */
const PER_DECADE = 40;

/** A slider with steps of a constant factor. */
export function LogSlider({ label, value, min, max, onInput, testid, hint }: Omit<SliderProps, 'step'>) {
  const id = useId();
  const from = Math.round(Math.log10(min) * PER_DECADE);
  const to = Math.round(Math.log10(max) * PER_DECADE);
  const at = Math.min(Math.max(Math.round(Math.log10(value) * PER_DECADE), from), to);
  const valueAt = (mark: number) => Number((10 ** (mark / PER_DECADE)).toPrecision(3));
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <span class="field-slider">
        <input
          id={id}
          type="range"
          min={from}
          max={to}
          step={1}
          value={at}
          data-testid={testid}
          aria-valuetext={numberText(value)}
          aria-describedby={hint ? `${id}-hint` : undefined}
          onInput={(event) => onInput(valueAt(event.currentTarget.valueAsNumber))}
        />
        <output for={id}>{numberText(value)}</output>
      </span>
      {hint && <FieldNote id={`${id}-hint`} hint={hint} />}
    </div>
  );
}
