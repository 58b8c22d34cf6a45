/** What a server asks of its user, answered by hand. */

import { post } from './api.mjs';
import { Boundary } from './boundary.mjs';
import { Component, createRef, html } from './dom.mjs';
import { SchemaForm } from './form.mjs';
import { Address, Json, Messages } from './result.mjs';

const TITLES = { elicitation: 'asks you', sampling: 'asks for an answer of a model' };

/** The questions of one server that are open. */
export function Questions({ questions }) {
  return questions.map((question) => html`<${Boundary} key=${question.id}><${Question} question=${question} /><//>`);
}

class Question extends Component {
  section = createRef();

  /** Whoever waits for a call is led to what it waits for; whoever types is left alone. */
  componentDidMount() {
    if (!document.activeElement.matches('input, select, textarea')) this.section.current.querySelector('h3').focus();
  }

  /** Whoever has answered goes on to the next one, or to what comes of the call. */
  componentWillUnmount() {
    if (!this.section.current.contains(document.activeElement)) return;
    const others = [...document.querySelectorAll('.question h3')].filter(
      (title) => !this.section.current.contains(title),
    );
    const next = others[0] ?? document.querySelector('.outcome') ?? document.getElementById('title');
    next.focus();
  }

  render({ question }) {
    const { id, kind, server, tool } = question;
    return html`<section class="question" ref=${this.section} aria-labelledby=${`question-${id}`}>
      <h3 tabindex="-1" id=${`question-${id}`}>${server} ${TITLES[kind]}${tool && html`, in <code>${tool}</code>`}</h3>
      ${kind === 'sampling' ? html`<${Sampling} question=${question} />` : html`<${Elicitation} question=${question} />`}
    </section>`;
  }
}

// An answer that comes too late is one to a question that is not shown any more.
const answer = ({ id }, given) => post('answer', { id, answer: given }).catch(() => {});

function Elicitation({ question }) {
  const { mode, message, url, requestedSchema } = question.params;
  const others = ['decline', 'cancel'].map(
    (action) =>
      html`<button type="button" onClick=${() => answer(question, { action })}>${action === 'decline' ? 'Decline' : 'Cancel'}</button>`,
  );
  if (mode === 'url') {
    return html`<p class="prose">${message}</p><p>It wants you to go to <${Address} uri=${url} /></p>
      <p class="buttons"><button type="button" class="main" onClick=${() => answer(question, { action: 'accept' })}>I have been there</button>${others}</p>`;
  }
  const accept = (content) => answer(question, { action: 'accept', content });
  return html`<p class="prose">${message}</p>
    <${SchemaForm} id=${`question-${question.id}-fields`} schema=${requestedSchema} label="Accept" onSubmit=${accept}>${others}<//>`;
}

class Sampling extends Component {
  state = { text: '' };

  render({ question }, { text }) {
    const { systemPrompt, messages } = question.params;
    const id = `answer-${question.id}`;
    return html`
      ${systemPrompt && html`<p class="prose">${systemPrompt}</p>`}
      <${Messages} messages=${messages} server=${question.server} />
      <details><summary>The whole request</summary><${Json} value=${question.params} /></details>
      <form onSubmit=${this.submit}>
        <div class="field"><label for=${id}>Answer in place of the model</label>
          <textarea id=${id} rows="4" required value=${text} onInput=${(event) => this.setState({ text: event.target.value })}></textarea></div>
        <p class="buttons"><button type="submit" class="main">Answer</button>
          <button type="button" onClick=${() => answer(question, null)}>Refuse</button></p>
      </form>`;
  }

  submit = (event) => {
    event.preventDefault();
    const content = { type: 'text', text: this.state.text };
    answer(this.props.question, { role: 'assistant', model: 'a person', stopReason: 'endTurn', content });
  };
}

/** The folders that servers are told of when they ask. */
export function Roots({ roots }) {
  const remove = (index) => {
    // The button goes away.
    document.getElementById('root').focus();
    set(roots.toSpliced(index, 1));
  };
  const set = (next) => post('roots', { roots: next }).catch(() => {});
  const add = (event) => {
    event.preventDefault();
    const field = event.target.elements.root;
    set([...roots, { uri: field.value }]);
    field.value = '';
  };
  return html`<h3>Roots</h3><p class="note">Servers that ask for folders (<code>roots/list</code>) are told of these.</p>
    <ul class="plain">${roots.map(
      ({ uri }, index) => html`<li class="row"><code>${uri}</code>
        <button type="button" aria-label=${`Remove ${uri}`} onClick=${() => remove(index)}>Remove</button></li>`,
    )}</ul>
    <form onSubmit=${add} class="row"><label for="root">Another root</label>
      <input id="root" name="root" type="url" required pattern="file://.*" placeholder="file:///srv/work" title="An address that begins with file://" />
      <button type="submit">Add</button></form>`;
}
