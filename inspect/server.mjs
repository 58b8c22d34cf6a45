/** One server: its state, what it asks, and the parts of it. */

import { post } from './api.mjs';
import { Boundary } from './boundary.mjs';
import { html } from './dom.mjs';
import { Exchange } from './exchange.mjs';
import { linkTo, PARTS } from './links.mjs';
import { Login } from './login.mjs';
import { Overview } from './overview.mjs';
import { Prompts } from './prompts.mjs';
import { Questions } from './questions.mjs';
import { Resources } from './resources.mjs';
import { Failure } from './result.mjs';
import { stateOf } from './servers.mjs';
import { Tools } from './tools.mjs';

const TITLES = {
  overview: 'Overview',
  tools: 'Tools',
  resources: 'Resources',
  prompts: 'Prompts',
  login: 'Login',
  exchange: 'On behalf of',
};
const VIEWS = {
  overview: Overview,
  tools: Tools,
  resources: Resources,
  prompts: Prompts,
  login: Login,
  exchange: Exchange,
};

/** How a server is begun with says nothing yet of what it offers. */
const partsOf = ({ canLogIn = true, canExchange }) =>
  PARTS.filter((part) => ({ login: canLogIn, exchange: canExchange })[part] ?? true);
const partOf = (server, part) => (partsOf(server).includes(part) ? part : 'overview');

/** Of the part that is shown. */
export const titleOf = (server, part) => TITLES[partOf(server, part)];

export function Server({ server, questions, place, revisions, roots, records }) {
  const parts = partsOf(server);
  const part = partOf(server, place.part);
  const isBusy = server.state === 'connecting';
  return html`
    <header class="row">
      <h2 tabindex="-1" id="title">${server.title ?? server.name}</h2>
      <p><span class=${`sign ${server.state}`} aria-hidden="true"></span> ${stateOf(server)}</p>
      <button type="button" aria-disabled=${String(isBusy)} onClick=${() => isBusy || connect(server)}>
        ${server.state === 'connected' ? 'Connect again' : 'Connect'}</button>
    </header>
    ${server.state === 'login' ? part !== 'login' && html`<${LoginNeeded} name=${server.name} />` : server.error && html`<${Failure} error=${server.error} />`}
    <${Questions} questions=${questions} />
    <nav aria-label="Parts of the server"><ul class="parts">${parts.map(
      (one) =>
        html`<li><a href=${linkTo(server.name, one)} aria-current=${one === part ? 'page' : undefined}>${TITLES[one]}</a></li>`,
    )}</ul></nav>
    <section aria-label=${TITLES[part]}>
      <${Boundary} key=${`${server.name} ${part}`}>
        <${VIEWS[part]} server=${server} name=${place.name} roots=${roots} records=${records}
          revision=${`${revisions[`${server.name} ${part}`] ?? 0} ${server.state === 'connected'}`} />
      <//>
    </section>`;
}

/** What comes of it stands in the server's state; that the program has ended, above. */
const connect = ({ name }) => post('connect', { server: name }).catch(() => {});

function LoginNeeded({ name }) {
  return html`<p class="block">The server wants to know who you are: <a href=${linkTo(name, 'login')}>log in</a></p>`;
}
