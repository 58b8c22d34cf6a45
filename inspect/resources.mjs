/** Resources: their list, templates of them, and the contents of one. */

import { html } from './dom.mjs';
import { linkTo } from './links.mjs';
import { Asking, Listing } from './listing.mjs';
import { ResourceResult } from './result.mjs';

export function Resources({ server, name, revision }) {
  const list = { server: server.name, revision };
  return html`
    <${Reader} key=${name} server=${server} uri=${name} />
    <h3>Resources</h3>
    <${Listing} ...${list} method="resources/list" member="resources">${(resources) =>
      offers(server, resources, 'uri', 'The server lists no resources.')}<//>
    <h3>Templates</h3>
    <${Listing} ...${list} method="resources/templates/list" member="resourceTemplates">${(templates) =>
      offers(server, templates, 'uriTemplate', 'The server has no templates.')}<//>`;
}

/** A list of what leads to a resource by its member `address`. */
function offers(server, items, address, none) {
  if (items.length === 0) return html`<p>${none}</p>`;
  const line = (item) =>
    html`<li><a href=${linkTo(server.name, 'resources', item[address])}>${item.title ?? item.name}</a>
      <code>${item[address]}</code> <span class="note">${item.description}</span></li>`;
  return html`<ul class="offers">${items.map(line)}</ul>`;
}

/** Reads what stands in its field. A template stands there with its names in braces, for the user to replace. */
class Reader extends Asking {
  constructor(props) {
    super(props);
    this.state = { uri: props.uri ?? '' };
  }

  componentDidMount() {
    if (this.props.uri && !this.props.uri.includes('{')) this.read();
  }

  render(_, { uri, isBusy }) {
    return html`
      <form onSubmit=${this.submit}>
        <div class="field"><label for="uri">Address of a resource</label>
          <input id="uri" required autocomplete="off" spellcheck=${false} value=${uri}
            onInput=${(event) => this.setState({ uri: event.target.value })} /></div>
        <p class="buttons"><button type="submit" class="main" aria-disabled=${String(Boolean(isBusy))}>Read</button>${this.canceller}</p>
      </form>
      ${this.outcome((result) => html`<${ResourceResult} result=${result} />`)}`;
  }

  submit = (event) => {
    event.preventDefault();
    if (!this.state.isBusy) this.read();
  };

  read() {
    return this.ask('resources/read', { uri: this.state.uri });
  }
}
