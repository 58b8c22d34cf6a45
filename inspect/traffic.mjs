/** What went to a server and came from it, the latest first. */

import { Component, html } from './dom.mjs';
import { Json } from './result.mjs';

const KINDS = { message: 'Messages', http: 'HTTP', step: 'Steps' };

export class Traffic extends Component {
  state = { hidden: [], text: '' };

  render({ records }, { hidden, text }) {
    const wanted = text.toLowerCase();
    const rows = rowsOf(records)
      .filter(
        ({ kind, records: parts }) => !hidden.includes(kind) && JSON.stringify(parts).toLowerCase().includes(wanted),
      )
      .reverse();
    const turn = (kind) => () =>
      this.setState({ hidden: hidden.includes(kind) ? hidden.filter((one) => one !== kind) : [...hidden, kind] });
    return html`<aside class="traffic" aria-labelledby="traffic">
      <h2 id="traffic">Traffic</h2>
      <div class="row" role="group" aria-label="What is shown">${Object.entries(KINDS).map(
        ([kind, title]) =>
          html`<label class="check"><input type="checkbox" checked=${!hidden.includes(kind)} onChange=${turn(kind)} />${title}</label>`,
      )}</div>
      <div class="field"><label for="wanted">Search</label>
        <input id="wanted" type="search" value=${text} onInput=${(event) => this.setState({ text: event.target.value })} /></div>
      ${rows.length === 0 && html`<p class="note">Nothing yet.</p>`}
      <ol class="plain">${rows.map(
        (row) => html`<li key=${row.key}><details class=${row.kind}>
          <summary><time datetime=${row.at}>${row.at.slice(11, 23)}</time> <span>${row.title}</span></summary>
          ${row.records.map((record) => html`<${Json} value=${record} />`)}
        </details></li>`,
      )}</ol>
    </aside>`;
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
  return rows.map((row) => ({ ...row, title: titleOf(row) }));
}

/** A row in a line. */
function titleOf({ kind, records }) {
  const [record] = records;
  if (kind === 'http') return titleOfExchange(records);
  if (kind === 'step') return `• ${record.step}`;
  const arrow = record.direction === 'sent' ? '→' : '←';
  return `${arrow} ${messageTitle(record)}`;
}

function messageTitle({ message, text }) {
  if (message === undefined) return String(text).slice(0, 80);
  if (message.method) return [message.method, message.params?.name ?? message.params?.uri].filter(Boolean).join(' ');
  return `${message.error ? `error ${message.error.code}` : 'result'} of ${message.id}`;
}

function titleOfExchange(records) {
  const all = Object.assign({}, ...records);
  const outcome = all.error ? all.error.message : (all.status ?? '…');
  const time = all.ms === undefined ? '' : ` · ${Math.round(all.ms)} ms`;
  return `${all.method ?? ''} ${all.url ?? ''} ⇒ ${outcome}${time}`;
}
