/** A token on behalf of a user: what is exchanged for what, claim by claim. */

import { post } from './api.mjs';
import { Component, html } from './dom.mjs';
import { failed } from './listing.mjs';
import { Failure } from './result.mjs';
import { rowsOf } from './traffic.mjs';

/** What an exchange sends, by the purposes of HTTP exchanges. */
const PURPOSES = ['obo', 'grant'];

export class Exchange extends Component {
  state = { token: '' };

  render({ records }, { token, isBusy, result, error, since }) {
    const exchanges = rowsOf(
      records.filter(({ purpose, at }) => PURPOSES.includes(purpose) && Date.parse(at) >= since),
    );
    return html`
      <p>The server takes tokens that an identity provider gives in exchange for those of a user. Give one as LibreChat would have
        it, and see what comes of it; calls are made with it from then on, until this program ends.</p>
      <form onSubmit=${this.submit}>
        <div class="field"><label for="token">The user's token</label>
          <textarea id="token" rows="4" required spellcheck=${false} autocomplete="off" value=${token}
            onInput=${(event) => this.setState({ token: event.target.value })}></textarea></div>
        <p class="buttons"><button type="submit" class="main" aria-disabled=${String(Boolean(isBusy))}>Exchange</button></p>
      </form>
      <div aria-live="polite">
        ${error && html`<${Failure} error=${error} />`}
        ${exchanges.length > 0 && html`<ul class="plain">${exchanges.map(({ title }) => html`<li><code>${title}</code></li>`)}</ul>`}
        ${
          result &&
          html`<ol class="steps">${result.tokens.map(
            ({ title, claims }) =>
              html`<li class="done"><p><strong>${title}</strong></p><${Claims} claims=${claims} /></li>`,
          )}</ol><p>It lasts ${result.expiresIn} s${result.scope && `, for ${result.scope}`}.</p>`
        }
      </div>`;
  }

  submit = async (event) => {
    event.preventDefault();
    if (this.state.isBusy) return;
    this.setState({ isBusy: true, result: undefined, error: undefined, since: Date.now() });
    const { token } = this.state;
    const answer = await post('exchange', { server: this.props.server.name, token: token.trim() }).catch(failed);
    this.setState({ isBusy: false, token: '', ...answer });
  };
}

function Claims({ claims }) {
  if (!claims) return html`<p class="note">It is opaque: it has no claims to show.</p>`;
  return html`<table><thead><tr><th scope="col">Claim</th><th scope="col">Value</th></tr></thead><tbody>${Object.entries(
    claims,
  ).map(
    ([name, value]) =>
      html`<tr><th scope="row">${name}</th><td>${typeof value === 'string' ? value : JSON.stringify(value)}</td></tr>`,
  )}</tbody></table>`;
}
