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
    const { result, error, isShown } = await post('request', { server, method }).catch(failed);
    // A list that was there stays: somebody may be filling in a form of it.
    this.setState(({ list }) =>
      error ? { error: list ? undefined : error, isShown } : { list: [result[member] ?? []].flat(), error },
    );
  }

  render({ children }, { list, error, isShown }) {
    if (error && isShown) return html`<p>The server is not connected.</p>`;
    if (error) return html`<${Failure} error=${error} />`;
    return list ? children(list) : html`<p role="status">Asking the server…</p>`;
  }
}

/** An error of the page's own server, in the form of the others. */
export const failed = ({ message }) => ({ error: { code: 'MCP_INTERNAL', message } });

/** One request that somebody makes by a button: its state is `{ isBusy, isCancelled, progress, result, error }`, its own part of a view's. */
export class Asking extends Component {
  state = {};

  componentWillUnmount() {
    this.abort?.abort();
  }

  /** Asks, and keeps what comes of it. */
  async ask(method, params) {
    this.abort = new AbortController();
    this.setState({ isBusy: true, isCancelled: false, progress: undefined, result: undefined, error: undefined });
    const ask = crypto.randomUUID();
    const hear = ({ detail }) => detail.ask === ask && this.setState({ progress: detail.progress });
    addEventListener('mcp-progress', hear);
    const { signal } = this.abort;
    const answer = await post('request', { server: this.props.server.name, method, params, ask }, signal).catch(
      (error) => (signal.aborted ? { isCancelled: true } : failed(error)),
    );
    removeEventListener('mcp-progress', hear);
    this.setState({ isBusy: false, ...answer });
  }

  /** The button for this is about to go, with the focus. */
  cancel = () => {
    document.querySelector('.outcome').focus();
    this.abort.abort();
  };

  /** A button to give up, while something is under way. */
  get canceller() {
    return this.state.isBusy && html`<${Canceller} onClick=${this.cancel} />`;
  }

  /** What came of it. */
  outcome(shown) {
    const { isBusy, isCancelled, progress, result, error } = this.state;
    return html`<div class="outcome" tabindex="-1" role="region" aria-label="Outcome" aria-live="polite" aria-busy=${String(Boolean(isBusy))}>
      ${isCancelled && html`<p>Cancelled.</p>`}
      ${isBusy && html`<p>Waiting for the server…</p>`}
      ${isBusy && progress && html`<${Progress} ...${progress} />`}
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

/** Of a request, as the server tells it. */
function Progress({ progress, total, message }) {
  const known = total === undefined ? `${progress}` : `${progress} of ${total}`;
  return html`<p><progress aria-label="Progress" value=${total && progress} max=${total}></progress> ${known} ${message}</p>`;
}
