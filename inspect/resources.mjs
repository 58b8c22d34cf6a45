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
      resources.length === 0
        ? html`<p>The server lists no resources.</p>`
        : html`<ul class="offers">${resources.map(
            (
              resource,
            ) => html`<li><a href=${linkTo(server.name, 'resources', resource.uri)}>${resource.title ?? resource.name}</a>
              <code>${resource.uri}</code> <span class="note">${resource.description}</span></li>`,
          )}</ul>`}<//>
    <h3>Templates</h3>
    <${Listing} ...${list} method="resources/templates/list" member="resourceTemplates">${(templates) =>
      templates.length === 0
        ? html`<p>The server has no templates.</p>`
        : html`<ul class="offers">${templates.map(
            (
              template,
            ) => html`<li><a href=${linkTo(server.name, 'resources', template.uriTemplate)}>${template.title ?? template.name}</a>
              <code>${template.uriTemplate}</code> <span class="note">${template.description}</span></li>`,
          )}</ul>`}<//>`;
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
