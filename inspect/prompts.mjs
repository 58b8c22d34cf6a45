/** Prompts: their list, and one of them with its arguments. */

import { Boundary } from './boundary.mjs';
import { html } from './dom.mjs';
import { SchemaForm } from './form.mjs';
import { linkTo } from './links.mjs';
import { Asking, Listing } from './listing.mjs';
import { Messages, Raw } from './result.mjs';

export function Prompts({ server, name, revision }) {
  return html`<${Listing} server=${server.name} method="prompts/list" member="prompts" revision=${revision}>${(
    prompts,
  ) => {
    const prompt = prompts.find((one) => one.name === name);
    if (prompt) return html`<${Boundary} key=${name}><${Prompt} server=${server} prompt=${prompt} /><//>`;
    if (prompts.length === 0) return html`<p>The server offers no prompts.</p>`;
    return html`<ul class="offers">${prompts.map(
      (one) => html`<li><a href=${linkTo(server.name, 'prompts', one.name)}>${one.name}</a>
        <span class="note">${one.description}</span></li>`,
    )}</ul>`;
  }}<//>`;
}

class Prompt extends Asking {
  render({ server, prompt }, { isBusy }) {
    return html`
      <p><a href=${linkTo(server.name, 'prompts')}>All prompts</a></p>
      <h3>${prompt.title ?? prompt.name}</h3>
      <p class="prose">${prompt.description}</p>
      <${SchemaForm} id="prompt" schema=${schemaOf(prompt)} label="Get" isBusy=${isBusy} onSubmit=${this.get}>${this.canceller}<//>
      ${this.outcome((result) => html`<${Messages} messages=${result.messages} server=${server.name} /><${Raw} value=${result} />`)}`;
  }

  get = (values) => this.ask('prompts/get', { name: this.props.prompt.name, arguments: values });
}

/** Arguments of prompts are texts. */
function schemaOf(prompt) {
  const given = [prompt.arguments ?? []].flat();
  const properties = given.map(({ name, title, description }) => [name, { type: 'string', title, description }]);
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    required: given.filter(({ required }) => required).map(({ name }) => name),
  };
}
