/** A list in which things are found by their names, where it is long. */

import { Component, html } from './dom.mjs';

/** So many are seen at a glance. */
const MAX_AT_A_GLANCE = 10;

/**
 * @param props.id        of the field
 * @param props.label     what the field says
 * @param props.items     objects with `name` and maybe `title`
 * @param props.children  a function from those that were found to what is shown
 */
export class Finder extends Component {
  state = { text: '' };

  render({ id, label, items, children }, { text }) {
    if (items.length <= MAX_AT_A_GLANCE) return children(items);
    const wanted = text.toLowerCase();
    const found = items.filter(({ name, title }) => `${name} ${title ?? ''}`.toLowerCase().includes(wanted));
    return html`
      <div class="field"><label for=${id}>${label}</label>
        <input id=${id} type="search" autocomplete="off" value=${text} onInput=${(event) => this.setState({ text: event.target.value })} /></div>
      <p class="note" role="status">${text && `${found.length} of ${items.length}`}</p>
      ${children(found)}`;
  }
}
