/** A list of what a server offers, filled when it is looked at and again when the server says that it has changed. */

import { post } from './api.mjs';
import { Boundary } from './boundary.mjs';
import { Component, createRef, html } from './dom.mjs';
import { Failure } from './result.mjs';

/**
 * @param props.server    name of the server
 * @param props.method    what is asked
 * @param props.member    of the result that is the list
 * @param props.revision  another one when the list has changed
 * @param props.children  a function from the list to what is shown
 */
export class Listing extends Component {
  state = {};

  componentDidMount() {
    this.load();
  }

  componentDidUpdate(before) {
    if (before.revision !== this.props.revision) this.load();
  }

  async load() {
    const { server, method, member } = this.props;
    const { result, error } = await post('request', { server, method }).catch(failed);
    this.setState({ list: error ? undefined : [result[member] ?? []].flat(), error });
  }

  render({ children }, { list, error }) {
    if (error) return html`<${Failure} error=${error} />`;
    return list ? children(list) : html`<p role="status">Asking the server…</p>`;
  }
}

/** An error of the page's own server, in the form of the others. */
export const failed = ({ message }) => ({ error: { code: 'MCP_INTERNAL', message } });

/** One request that somebody makes by a button: its state is `{ isBusy, result, error }`, its own part of a view's. */
export class Asking extends Component {
  state = {};

  componentWillUnmount() {
    this.abort?.abort();
  }

  /** Asks, and keeps what comes of it. */
  async ask(method, params) {
    this.abort = new AbortController();
    this.setState({ isBusy: true, result: undefined, error: undefined });
    const answer = await post('request', { server: this.props.server.name, method, params }, this.abort.signal).catch(
      failed,
    );
    this.setState({ isBusy: false, ...answer });
  }

  cancel = () => this.abort.abort();

  /** A button to give up, while something is under way. */
  get canceller() {
    return this.state.isBusy && html`<${Canceller} onClick=${this.cancel} />`;
  }

  /** What came of it. */
  outcome(shown) {
    const { isBusy, result, error } = this.state;
    return html`<div class="outcome" aria-live="polite" aria-busy=${String(Boolean(isBusy))}>
      ${isBusy && html`<p>Waiting for the server…</p>`}
      ${error && html`<${Failure} error=${error} />`}
      ${result && html`<h4>Result</h4><${Boundary}>${shown(result)}<//>`}</div>`;
  }
}

/** When there is nothing more to give up, the focus goes to what began it. */
class Canceller extends Component {
  button = createRef();

  componentWillUnmount() {
    const button = this.button.current;
    if (button === document.activeElement) button.form.querySelector('[type=submit]').focus();
  }

  render({ onClick }) {
    return html`<button type="button" ref=${this.button} onClick=${onClick}>Cancel</button>`;
  }
}
