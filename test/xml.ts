// A small XML reader of the tests' own, so that a missing quote or a stray `&` in a picture is seen.
import { expect } from 'vitest';

export interface Element {
  readonly name: string;
  readonly attributes: Record<string, string>;
  text: string;
}

/** Strict: balanced tags, quoted unique attributes, known entities only, no stray markup. */
export function parseXml(xml: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  const decode = (text: string) => {
    if (/&(?!(amp|lt|gt|quot|#39);)|[<>]/.test(text)) throw new Error(`not escaped: ${text}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML forbids
    if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text))
      throw new Error('a character that XML forbids');
    return text.replace(
      /&(amp|lt|gt|quot|#39);/g,
      (_, e: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" })[e] ?? '',
    );
  };
  let rest = xml.trimEnd();
  while (rest !== '') {
    const tag = /^<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/.exec(rest);
    if (tag === null) {
      const text = /^[^<]+/.exec(rest)?.[0];
      if (text === undefined || open.length === 0) throw new Error(`no XML at ${rest.slice(0, 80)}`);
      open[open.length - 1]!.text += decode(text);
      rest = rest.slice(text.length);
      continue;
    }
    const [all, closing, name = '', list = '', empty] = tag;
    rest = rest.slice(all.length);
    if (closing) expect(open.pop()?.name).toBe(name);
    else {
      const attributes: Record<string, string> = {};
      for (const [, key = '', value = ''] of list.matchAll(/([\w:-]+)="([^"]*)"/g)) {
        if (Object.hasOwn(attributes, key)) throw new Error(`${key} appears twice`);
        attributes[key] = decode(value);
      }
      const element = { name, attributes, text: '' };
      elements.push(element);
      if (!empty) open.push(element);
      if (rest === '' && open.length > 0) throw new Error(`${open[0]?.name} is not closed`);
    }
  }
  expect(open).toEqual([]);
  expect(elements[0]?.name).toBe('svg');
  return elements;
}
