// Readable WGSL errors: the device's message, and the numbered lines around each fault.

interface CompilationMessage {
  readonly message: string;
  readonly type: string;
  readonly lineNum: number;
  readonly linePos: number;
}

/** How many lines are shown before and after a fault. */
const AROUND = 3;

/** The text of a ShaderError for kernel `label`. */
export function shaderMessage(
  label: string,
  code: string,
  messages: Iterable<CompilationMessage>,
  otherwise: string,
): string {
  const errors = [...messages].filter((m) => m.type === 'error');
  if (errors.length === 0) return `${label}: the device rejected the kernel: ${otherwise}`;
  const lines = code.split('\n');
  const parts = errors.map((m) => `line ${m.lineNum}:${m.linePos}: ${m.message}\n${excerpt(lines, m.lineNum)}`);
  return `${label}: the kernel does not compile.\n${parts.join('\n')}`;
}

function excerpt(lines: readonly string[], lineNum: number): string {
  const from = Math.max(1, lineNum - AROUND);
  const to = Math.min(lines.length, lineNum + AROUND);
  const rows: string[] = [];
  for (let n = from; n <= to; n++) rows.push(`${n === lineNum ? '>' : ' '} ${String(n).padStart(4)} | ${lines[n - 1]}`);
  return rows.join('\n');
}
