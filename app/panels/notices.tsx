// The only place for messages: screen readers announce errors at once, others politely. It overlays the lower edge of the window, so a
// message moves nothing; each can be dismissed.
import type { ComponentChildren } from 'preact';
import * as store from '../page/store.ts';
import type { Notice } from '../protocol.ts';
import { Note } from '../ui/kit.tsx';
import '../styles/notices.css';

const RANK = { info: 0, warning: 1, error: 2 } as const;

/** The newest of the most severe messages. */
function first(notices: readonly Notice[]): Notice | undefined {
  return notices.reduce<Notice | undefined>(
    (best, notice) => (best && RANK[best.level] > RANK[notice.level] ? best : notice),
    undefined,
  );
}

export function Notices() {
  const notices = store.notices.value;
  const top = first(notices);
  const show = (chosen: readonly Notice[]): ComponentChildren =>
    chosen.map((notice) => (
      <Note key={notice.code} level={notice.level} onDismiss={() => store.dismiss(notice.code)}>
        <span data-testid={notice === top ? 'message' : undefined}>{notice.text}</span>
      </Note>
    ));
  return (
    <aside class="notices" aria-label="Messages">
      <div role="alert">{show(notices.filter(({ level }) => level === 'error'))}</div>
      <div role="status">{show(notices.filter(({ level }) => level !== 'error'))}</div>
    </aside>
  );
}
