/** What went to a server and came from it, the latest first. */

import { post } from './api.mjs';
import { Component, html } from './dom.mjs';
import { Json } from './result.mjs';

const KINDS = { message: 'Messages', http: 'HTTP', step: 'Steps' };

/** How many rows are shown at a time. */
const MAX_ROWS = 200;

export class Traffic extends Component {
  state = { hidden: [], text: '' };

  render({ server, records }, { hidden, text }) {
    const all = rowsOf(records);
    const rows = all.filter((row) => !hidden.includes(row.kind) && isFound(row, text.toLowerCase()));
    const turn = (kind) => () =>
      this.setState({ hidden: hidden.includes(kind) ? hidden.filter((one) => one !== kind) : [...hidden, kind] });
    const isEmpty = all.length === 0;
    return html`<aside class="traffic" aria-labelledby="traffic">
      <h2 id="traffic">Traffic</h2>
      <div class="row" role="group" aria-label="What is shown">${Object.entries(KINDS).map(
        ([kind, title]) =>
          html`<label class="check"><input type="checkbox" checked=${!hidden.includes(kind)} onChange=${turn(kind)} />${title}</label>`,
      )}</div>
      <div class="field"><label for="wanted">Search</label>
        <input id="wanted" type="search" value=${text} onInput=${(event) => this.setState({ text: event.target.value })} /></div>
      <p class="buttons">
        <button type="button" aria-disabled=${String(isEmpty)} onClick=${() => isEmpty || save(server, records)}>Save</button>
        <button type="button" aria-disabled=${String(isEmpty)} onClick=${() => isEmpty || post('clear', { server })}>Clear</button>
      </p>
      <p class="note">${isEmpty ? 'Nothing yet.' : countOf(rows, all)}</p>
      <ol class="plain">${rows
        .slice(-MAX_ROWS)
        .reverse()
        .map((row) => html`<${Row} key=${row.key} row=${row} />`)}</ol>
    </aside>`;
  }
}

function countOf(rows, all) {
  if (rows.length === 0) return `None of ${all.length} is like that.`;
  return `The latest ${Math.min(rows.length, MAX_ROWS)} of ${rows.length}.`;
}

/** As a file that the command `trace` reads. */
function save(server, records) {
  const url = URL.createObjectURL(new Blob(records.map((record) => `${JSON.stringify(record)}\n`)));
  Object.assign(document.createElement('a'), { href: url, download: `${server}.ndjson` }).click();
  URL.revokeObjectURL(url);
}

const isFound = ({ title, records }, text) =>
  text === '' || `${title} ${JSON.stringify(records)}`.toLowerCase().includes(text);

/** Its records are written out when somebody looks at them. */
class Row extends Component {
  state = { isOpen: false };

  render({ row }, { isOpen }) {
    return html`<li><details onToggle=${(event) => this.setState({ isOpen: event.target.open })}>
      <summary><time datetime=${row.at}>${row.at.slice(11, 23)}</time> <span>${row.title}</span>${
        row.records[0].server == null && html` <span class="note">(of no server)</span>`
      }</summary>
      ${isOpen && row.records.map((record) => html`<${Json} value=${record} />`)}
    </details></li>`;
  }
}

/** One row for each message and step, and one for all that is known of an HTTP exchange. */
export function rowsOf(records) {
  const exchanges = new Map();
  const rows = [];
  for (const record of records) {
    const { kind, at, id } = record;
    const row = kind === 'http' ? exchanges.get(id) : undefined;
    if (row) {
      row.records.push(record);
    } else {
      const added = { key: `${kind} ${at} ${id ?? record.bytes}`, kind, at, records: [record] };
      if (kind === 'http') exchanges.set(id, added);
      rows.push(added);
    }
  }
  const asked = new Map();
  return rows.map((row) => ({ ...row, title: titleOf(row, asked) }));
}

/**
 * A row in a line.
 *
 * @param asked  what was asked so far, by connection and id; an answer says only the id
 */
function titleOf({ kind, records }, asked) {
  const [record] = records;
  if (kind === 'http') return titleOfExchange(records);
  if (kind === 'step') return `• ${record.step}`;
  if (kind === 'lost') return `… ${record.count} records had no room`;
  const { direction, connection, message, text } = record;
  const isSent = direction === 'sent';
  const arrow = isSent ? '→' : '←';
  if (message === null || typeof message !== 'object') return `${arrow} ${String(message ?? text).slice(0, 80)}`;
  // Both sides count their requests.
  const id = word(message.id);
  const key = `${connection} ${isSent === Boolean(message.method)} ${id}`;
  if (message.method) {
    const title = [message.method, message.params?.name ?? message.params?.uri].map(word).filter(Boolean).join(' ');
    if (message.id !== undefined) asked.set(key, title);
    return `${arrow} ${title}`;
  }
  return `${arrow} ${message.error ? `error ${word(message.error.code)}` : 'result'} of ${asked.get(key) ?? id}`;
}

/** What should be a word or a number: a server may send anything, such as an object whose `toString` is none. */
const word = (value) => (['string', 'number'].includes(typeof value) ? String(value) : '');

function titleOfExchange(records) {
  const all = Object.assign({}, ...records);
  const outcome = all.error ? all.error.message : (all.status ?? '…');
  const time = all.ms === undefined ? '' : ` · ${Math.round(all.ms)} ms`;
  return `${all.method ?? ''} ${all.url ?? ''} ⇒ ${outcome}${time}`;
}
