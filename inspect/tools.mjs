/** Tools: their list, and one of them with its form. */

import { Boundary } from './boundary.mjs';
import { html } from './dom.mjs';
import { Finder } from './finder.mjs';
import { SchemaForm } from './form.mjs';
import { linkTo } from './links.mjs';
import { Asking, Listing } from './listing.mjs';
import { Json, ToolResult } from './result.mjs';

export function Tools({ server, name, revision }) {
  return html`<${Listing} server=${server.name} method="tools/list" member="tools" revision=${revision}>${(tools) => {
    if (name === undefined) return html`<${ToolList} server=${server} tools=${tools} />`;
    const tool = tools.find((one) => one.name === name);
    return tool
      ? html`<${Boundary} key=${name}><${Tool} server=${server} tool=${tool} /><//>`
      : html`<p>The server has no tool <code>${name}</code>.</p>`;
  }}<//>`;
}

function ToolList({ server, tools }) {
  if (tools.length === 0) return html`<p>The server offers no tools.</p>`;
  return html`<${Finder} id="tool-name" label="Find a tool" items=${tools}>${(found) =>
    html`<ul class="offers">${found.map(
      (tool) => html`<li><a href=${linkTo(server.name, 'tools', tool.name)}>${tool.name}</a>
      <span class="note">${tool.description}</span></li>`,
    )}</ul>`}<//>`;
}

const HINTS = {
  readOnlyHint: ['only reads', 'may change things'],
  destructiveHint: ['may destroy', 'destroys nothing'],
  idempotentHint: ['may be repeated', undefined],
  openWorldHint: ['reaches the world outside', 'stays inside'],
};

class Tool extends Asking {
  render({ server, tool }, { isBusy }) {
    const hints = Object.entries(HINTS).flatMap(([hint, [yes, no]]) => {
      const value = tool.annotations?.[hint];
      return typeof value === 'boolean' ? [value ? yes : no].filter(Boolean) : [];
    });
    return html`
      <p><a href=${linkTo(server.name, 'tools')}>All tools</a></p>
      <h3>${tool.title ?? tool.name}</h3>
      <p><code>${tool.name}</code>${hints.length > 0 && html` <span class="note">The server says: ${hints.join(', ')}.</span>`}</p>
      <p class="prose">${tool.description}</p>
      <${SchemaForm} id="tool" schema=${tool.inputSchema} label="Call" isBusy=${isBusy} onSubmit=${this.call}>${this.canceller}<//>
      ${this.outcome((result) => html`<${ToolResult} result=${result} server=${server.name} />`)}
      <details><summary>Definition</summary><${Json} value=${tool} /></details>`;
  }

  call = (values) => this.ask('tools/call', { name: this.props.tool.name, arguments: values });
}
