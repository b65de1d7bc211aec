// Building blocks of the command line's plots: colours for light and dark, text, and numbers in XML.

/** Blue and orange, and neutrals, as classes. */
const STYLE = `
.tw-bg{fill:#ffffff}.tw-text{fill:#1b1f24}.tw-muted{fill:#5b6470}.tw-grid{stroke:#e4e7eb}.tw-axis{stroke:#8a93a0}
.tw-blue{stroke:#1f6fd0}.tw-orange{stroke:#c8590a}.tw-dot{fill:#c8590a;stroke:#ffffff}.tw-solo{fill:#1f6fd0;stroke:#ffffff}
@media (prefers-color-scheme:dark){
.tw-bg{fill:#14171c}.tw-text{fill:#e6e9ee}.tw-muted{fill:#9aa4b2}.tw-grid{stroke:#2a2f37}.tw-axis{stroke:#6b7583}
.tw-blue{stroke:#6aa9f7}.tw-orange{stroke:#f59a4a}.tw-dot{fill:#f59a4a;stroke:#14171c}.tw-solo{fill:#6aa9f7;stroke:#14171c}
}`;

/** The beginning of an SVG: its size, its alternative text, its colours and its background. */
export function opening(picture: {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly description: string;
  /** Additional CSS rules. */
  readonly style?: string | undefined;
}): string {
  const { width, height, title, description, style = '' } = picture;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif" font-size="13">`,
    `<title>${escapeXml(title)}</title>`,
    `<desc>${escapeXml(description.trim())}</desc>`,
    `<style>${STYLE}${style}</style>`,
    `<rect class="tw-bg" width="${width}" height="${height}" rx="8"/>`,
  ].join('\n');
}

/** Pixels to a tenth: more digits are invisible and double the file size. */
export function px(value: number): string {
  return `${Math.round(value * 10) / 10}`;
}

export function text(x: number | string, y: number, content: string, className: string, more = ''): string {
  return content === ''
    ? ''
    : `<text class="${className}" x="${x}" y="${y}"${more === '' ? '' : ` ${more}`}>${escapeXml(content)}</text>`;
}

/** A line of text of at most `length` characters. */
export function cut(line: string, length: number): string {
  const flat = line.replace(/\s+/g, ' ').trim();
  return flat.length > length ? `${flat.slice(0, length - 1).trimEnd()}…` : flat;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for XML: the five entities, without characters that XML cannot represent. */
function escapeXml(value: string): string {
  return value
    .replace(/[&<>"']/g, (c) => ENTITIES[c] ?? '')
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '');
}
