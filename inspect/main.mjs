/** The page: all servers, one of them, and its traffic beside it. */

import { listen, openSession } from './api.mjs';
import { Component, html, render } from './dom.mjs';
import { linkTo, placeOf } from './links.mjs';
import { recordsOf, withRecords } from './records.mjs';
import { Server, titleOf } from './server.mjs';
import { ServerList, stateOf } from './servers.mjs';
import { Traffic } from './traffic.mjs';

/** States that are worth saying aloud. */
const SAID = new Set(['connected', 'disconnected', 'failed', 'login']);

class Page extends Component {
  state = {
    servers: [],
    questions: [],
    roots: [],
    records: new Map(),
    revisions: {},
    place: placeOf(location.hash),
    said: '',
  };

  async componentDidMount() {
    addEventListener('hashchange', this.move);
    try {
      await openSession();
    } catch ({ message }) {
      return this.setState({ problem: message });
    }
    return listen(this.hear, (problem) => this.setState({ problem, questions: [] }));
  }

  /** Focus goes where the user has gone. */
  move = () => {
    const place = placeOf(location.hash);
    this.setState({ place }, () => document.getElementById('title')?.focus());
  };

  hear = (event) => {
    const { servers, questions, records, revisions } = this.state;
    switch (event.type) {
      case 'servers':
        return this.setState({ file: event.file, servers: event.servers, records: new Map(), problem: undefined });
      case 'server': {
        const { name, state } = event.server;
        const before = servers.find((server) => server.name === name);
        if (before.state !== state && SAID.has(state)) this.say(`${name}: ${stateOf(event.server)}`);
        return this.setState({ servers: servers.map((server) => (server.name === name ? event.server : server)) });
      }
      case 'questions': {
        const known = questions.map(({ id }) => id);
        const added = event.questions.find(({ id }) => !known.includes(id));
        if (added) this.say(`${added.server} asks you something: question ${added.id}`);
        return this.setState({ questions: event.questions, roots: event.roots });
      }
      case 'changed': {
        const key = `${event.server} ${event.list}`;
        return this.setState({ revisions: { ...revisions, [key]: (revisions[key] ?? 0) + 1 } });
      }
      case 'progress':
        return dispatchEvent(new CustomEvent('mcp-progress', { detail: event }));
      case 'traffic':
        return this.setState({ records: withRecords(records, event.records) });
      case 'cleared':
        return this.setState({ records: new Map([...records, [event.server, []], [null, []]]) });
    }
  };

  say(said) {
    this.setState({ said });
  }

  componentDidUpdate() {
    const { servers, place } = this.state;
    const server = servers.find(({ name }) => name === place.server);
    const names = server ? [place.name, titleOf(server, place.part), server.title ?? server.name] : [];
    document.title = [...names.filter(Boolean), 'MCP servers'].join(' – ');
  }

  skip = (event) => {
    event.preventDefault();
    document.getElementById('main').focus();
  };

  render(_, { file, servers: told, questions, roots, records, revisions, place, problem, said }) {
    // Nobody says any more how they are.
    const servers = problem ? told.map((server) => ({ ...server, state: 'unknown' })) : told;
    const server = servers.find(({ name }) => name === place.server);
    const own = (list) => list.filter((item) => item.server === place.server);
    const seen = recordsOf(records, place.server);
    return html`
      <a class="skip" href="#main" onClick=${this.skip}>To the server</a>
      <header class="top"><h1>MCP servers</h1><p class="note">${file}</p></header>
      ${problem && html`<p class="failure" role="alert">${problem}</p>`}
      <div class="columns">
        <${ServerList} servers=${servers} questions=${questions} current=${place.server} />
        <main id="main" tabindex="-1">${
          server
            ? html`<${Server} server=${server} questions=${own(questions)} place=${place} revisions=${revisions} roots=${roots}
                records=${seen} />`
            : html`<${Summary} servers=${servers} isKnown=${!problem} />`
        }</main>
        ${server && html`<${Traffic} server=${server.name} records=${seen} />`}
      </div>
      <p class="unseen" role="status">${said}</p>`;
  }
}

function Summary({ servers, isKnown }) {
  if (!isKnown) return html`<h2 tabindex="-1" id="title">There is nothing to be seen</h2>`;
  const working = servers.filter(({ state }) => state === 'connected').length;
  return html`<h2 tabindex="-1" id="title">${working} of ${servers.length} servers work</h2>
    ${servers
      .filter(({ error }) => error)
      .map(({ name, error }) => html`<p class="block"><a href=${linkTo(name)}>${name}</a>: ${error.message}</p>`)}
    <p>Choose a server to see what it offers, to log in, and to try it.</p>`;
}

render(html`<${Page} />`, document.body);
