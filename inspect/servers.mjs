/** All servers of the configuration, each with its state. */

import { html } from './dom.mjs';
import { Finder } from './finder.mjs';
import { linkTo } from './links.mjs';

const STATES = {
  waiting: 'waiting for its turn',
  unknown: 'not known',
  connecting: 'connecting…',
  connected: 'connected',
  disconnected: 'disconnected',
  login: 'login needed',
  failed: 'failed',
};

/** In words. */
export function stateOf({ state, tools }) {
  const count = state === 'connected' && tools !== undefined ? `, ${tools} ${tools === 1 ? 'tool' : 'tools'}` : '';
  return `${STATES[state]}${count}`;
}

export function ServerList({ servers, questions, current }) {
  return html`<nav class="servers" aria-label="Servers">
    <h2>Servers</h2>
    <${Finder} id="server-name" label="Find a server" items=${servers}>${(found) =>
      html`<ul class="plain">${found.map((server) => {
        const open = questions.filter((question) => question.server === server.name).length;
        return html`<li key=${server.name}>
        <a href=${linkTo(server.name)} aria-current=${server.name === current ? 'true' : undefined}>
          <span class=${`sign ${server.state}`} aria-hidden="true"></span>
          <span><strong>${server.title ?? server.name}</strong>
            <span class="note">${stateOf(server)}${open > 0 && html` · <b>${open} to answer</b>`}</span></span>
        </a></li>`;
      })}</ul>`}<//>
  </nav>`;
}
