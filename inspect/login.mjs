/** A login, as a diagram that fills in: what has been done, what is done now, and what comes. */

import { post } from './api.mjs';
import { Component, createRef, html } from './dom.mjs';
import { failed } from './listing.mjs';
import { Failure } from './result.mjs';
import { rowsOf } from './traffic.mjs';

const STEPS = [
  {
    id: 'discovery',
    title: 'Discovery',
    text: 'The server says which authorization server it trusts, and that one says where its endpoints are.',
    purposes: ['detection', 'metadata'],
  },
  {
    id: 'registration',
    title: 'Registration',
    text: 'The program becomes a client of the authorization server, unless it is one.',
    purposes: ['registration'],
  },
  {
    id: 'request',
    title: 'Request with PKCE',
    text: 'The program makes a secret for this login, and sends you with its digest.',
    purposes: ['par'],
    step: 'authorization-url',
  },
  {
    id: 'consent',
    title: 'You log in',
    text: 'You log in at the authorization server, which sends you back with a code.',
    purposes: [],
    step: 'authorization-callback',
  },
  {
    id: 'exchange',
    title: 'Exchange',
    text: 'The program exchanges the code and its secret for tokens.',
    purposes: ['token'],
  },
  { id: 'storage', title: 'Tokens', text: 'The tokens are stored, encrypted.', purposes: [], step: 'tokens-stored' },
];
const REFRESH = {
  id: 'refresh',
  title: 'Refresh',
  text: 'When the token is about to end, the program gets another one. Nobody is asked.',
  purposes: ['refresh'],
};
/** Which step an account of the login itself has come to. */
const REACHED = { discovering: 0, waiting: 3, done: STEPS.length, failed: 0, cancelled: 0, needless: -1 };
const UNDER_WAY = new Set(['discovering', 'waiting']);
const WORDS = { done: 'done', active: 'now', failed: 'failed here', cancelled: 'cancelled', waiting: 'not yet' };
const SAID = {
  done: 'You are logged in.',
  needless: 'This server needs no login.',
  cancelled: 'Cancelled. What was opened for this login is of no use any more.',
};

/**
 * The steps with their states and what was seen of each.
 *
 * @param login    of the server's state, if there was one
 * @param records  the server's traffic
 */
function stepsOf(login, records) {
  const isOwn = ({ at }) => login && login.state !== 'needless' && Date.parse(at) >= login.since;
  const own = records.filter(isOwn);
  const exchangesOf = (some, { purposes }) => rowsOf(some.filter(({ purpose }) => purposes.includes(purpose)));
  const seen = STEPS.map((step) => ({
    ...step,
    exchanges: exchangesOf(own, step),
    isDone: own.some((record) => record.kind === 'step' && record.step === step.step && !isRefusal(record)),
  }));
  // Tokens of an earlier login may be refreshed.
  const refresh = { ...REFRESH, exchanges: exchangesOf(records, REFRESH) };
  const furthest = seen.findLastIndex(({ exchanges, isDone }) => isDone || exchanges.length > 0);
  const next = furthest >= 0 && seen[furthest].isDone ? furthest + 1 : furthest;
  const current = Math.max(login ? REACHED[login.state] : -1, next, login?.url ? 3 : -1);
  const state = (index) => {
    if (!login || index > current) return 'waiting';
    if (index < current) return 'done';
    return UNDER_WAY.has(login.state) ? 'active' : login.state;
  };
  const steps = seen.map((step, index) => ({ ...step, state: state(index) }));
  return [...steps, { ...refresh, state: outcomeOf(refresh.exchanges.at(-1)) }];
}

/** Of the latest exchange of a step. */
function outcomeOf(row) {
  if (!row) return 'waiting';
  const { phase, status } = row.records.findLast((record) => record.status || record.phase === 'failed') ?? {};
  if (phase === undefined) return 'active';
  return phase === 'failed' || status >= 400 ? 'failed' : 'done';
}

/** The browser came back without a code. */
const isRefusal = ({ details }) => details?.outcome === 'error';

export class Login extends Component {
  state = {};
  beginner = createRef();

  render({ server, records }, { error, said }) {
    const { login } = server;
    const isUnderWay = UNDER_WAY.has(login?.state);
    return html`
      <p class="buttons">
        <button type="button" class="main" ref=${this.beginner} aria-disabled=${String(isUnderWay)} onClick=${this.begin}>Log in</button>
        ${isUnderWay && html`<button type="button" onClick=${this.cancel}>Cancel</button>`}
        <button type="button" onClick=${this.refresh}>Refresh now</button>
        <button type="button" onClick=${this.logout}>Log out</button>
      </p>
      <div aria-live="polite">
        ${login?.url && html`<p class="block">To log in, open <${LoginLink} url=${login.url} /></p>`}
        ${SAID[login?.state] && html`<p>${SAID[login.state]}</p>`}
        ${said && html`<p>${said}</p>`}
      </div>
      ${login?.error && html`<${Failure} error=${login.error} />`}
      ${error && html`<${Failure} error=${error} />`}
      <h3>The steps of a login</h3>
      <ol class="steps">${stepsOf(login, records).map(
        (
          step,
        ) => html`<li key=${step.id} class=${step.state} aria-current=${step.state === 'active' ? 'step' : undefined}>
          <p><strong>${step.title}</strong> <span class="state">${WORDS[step.state]}</span></p>
          <p class="note">${step.text}</p>
          ${step.id === 'request' && login?.url && html`<${Request} url=${login.url} />`}
          ${step.exchanges.length > 0 && html`<ul class="plain">${step.exchanges.map((row) => html`<li><code>${row.title}</code></li>`)}</ul>`}
        </li>`,
      )}</ol>`;
  }

  begin = () => {
    if (UNDER_WAY.has(this.props.server.login?.state)) return;
    // What comes of it stands in the server's state.
    this.ask('login');
  };

  /** The button for this is about to go, with the focus. */
  cancel = () => {
    this.beginner.current.focus();
    return this.ask('login-cancel');
  };

  refresh = () => this.ask('refresh');

  logout = async () => {
    const { wasLoggedIn, revoked } = await this.ask('logout');
    if (wasLoggedIn === undefined) return;
    const tokens = revoked === 1 ? '1 token' : `${revoked} tokens`;
    this.setState({ said: wasLoggedIn ? `You are logged out; ${tokens} revoked.` : 'Nobody was logged in.' });
  };

  /** What was said of something earlier stands no more. */
  async ask(action) {
    this.setState({ error: undefined, said: undefined });
    const answer = await post(action, { server: this.props.server.name }).catch(failed);
    this.setState({ error: answer.error });
    return answer;
  }
}

/** Whom the user goes to; the rest of the address is long, and of use to the browser alone. */
function LoginLink({ url }) {
  const { origin, pathname } = new URL(url);
  return html`<a href=${url} target="_blank" rel="noopener noreferrer">${origin}${pathname}</a>`;
}

const SHOWN = ['client_id', 'redirect_uri', 'scope', 'resource', 'code_challenge_method', 'request_uri'];

/** What of the authorization request may be seen: nothing that belongs to this one login alone. */
function Request({ url }) {
  const given = new URL(url).searchParams;
  return html`<dl class="facts">${SHOWN.filter((name) => given.has(name)).map(
    (name) => html`<div><dt>${name}</dt><dd>${given.get(name)}</dd></div>`,
  )}</dl>`;
}
