/** A form made from a JSON Schema, with the whole as JSON beside it. */

import { Component, createRef, html } from './dom.mjs';
import { choicesOf, countProblem, draftOf, isNeeded, kindOf, lostOf, resolve, valueFrom } from './schema.mjs';

const INPUT_TYPES = { date: 'date', email: 'email', uri: 'url', url: 'url' };
/** What they say is in no field. */
const ALTERNATIVES = ['oneOf', 'anyOf', 'allOf'];
const EMPTY = { type: 'object', properties: {} };

/**
 * @param props.id        another one for each form of the page
 * @param props.schema    of an object
 * @param props.label     what the button says
 * @param props.isBusy    whether what was submitted is under way; the button keeps the focus meanwhile
 * @param props.onSubmit  is called with the object
 */
export class SchemaForm extends Component {
  form = createRef();

  constructor(props) {
    super(props);
    const schema = resolve(props.schema ?? EMPTY, props.schema);
    this.schema = kindOf(schema, schema) === 'object' ? schema : { ...EMPTY, ...schema };
    this.isForm = kindOf(this.schema, this.schema) === 'object';
    this.hasAlternatives = ALTERNATIVES.some((name) => Array.isArray(this.schema[name]));
    const hasFields = this.isForm && Object.keys(this.schema.properties).length > 0;
    const draft = draftOf(this.schema, this.schema);
    this.state = { draft, isRaw: !this.isForm || (this.hasAlternatives && !hasFields), raw: '{}' };
  }

  render({ id, label, isBusy, children }, { draft, isRaw, raw, refusal }) {
    return html`
      <form ref=${this.form} onSubmit=${this.submit} onKeyDown=${this.press} onInput=${() => refusal && this.refuse()}>
        ${
          this.hasAlternatives &&
          html`<p class="note">The schema has alternatives, for which there are no fields: type them as JSON.</p>`
        }
        ${
          isRaw
            ? html`<${JsonField} id=${id} label="Arguments as JSON" text=${raw} isRequired onInput=${(text) => this.setState({ raw: text })} />`
            : html`<${Members} schema=${this.schema} root=${this.schema} draft=${draft} id=${id}
                onInput=${(next) => this.setState({ draft: next })} />`
        }
        <div aria-live="polite">${refusal && html`<p class="problem">${refusal}</p>`}</div>
        <p class="buttons">
          <button type="submit" class="main" aria-keyshortcuts="Control+Enter" aria-disabled=${String(Boolean(isBusy))}>${label}</button>
          ${this.isForm && html`<button type="button" aria-pressed=${String(isRaw)} onClick=${this.turn}>JSON</button>`}
          ${children}
          <span class="note">Ctrl+Enter: ${label}</span>
        </p>
      </form>`;
  }

  /** In a text, Enter alone makes a line break. */
  press = (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.form.current.requestSubmit();
  };

  submit = (event) => {
    event.preventDefault();
    if (this.props.isBusy) return;
    const { isRaw, raw, draft } = this.state;
    // Browsers count no items.
    const wrong = this.form.current.querySelector('fieldset[data-problem]');
    if (wrong)
      return this.refuse(
        `${wrong.name}: ${wrong.dataset.problem}`,
        wrong.querySelector('input, textarea, select, button'),
      );
    this.refuse();
    this.props.onSubmit(isRaw ? JSON.parse(raw) : valueFrom(this.schema, this.schema, draft, true));
  };

  /** Between the form and the JSON, where nothing that was typed is lost by it. */
  turn = () => {
    const { isRaw, raw, draft } = this.state;
    const wrong = this.form.current.querySelector('[aria-invalid]');
    if (wrong) return this.refuse(`${wrong.name || 'This'} is no JSON.`, wrong);
    if (!isRaw) {
      const value = valueFrom(this.schema, this.schema, draft, true);
      return this.setState({ isRaw: true, raw: JSON.stringify(value, null, 2), refusal: undefined });
    }
    const value = raw === '' ? {} : JSON.parse(raw);
    const next = draftOf(this.schema, this.schema, value);
    const lost = lostOf(value, valueFrom(this.schema, this.schema, next, true));
    if (lost !== undefined) return this.refuse(`The form has no place for ${lost || 'what is no object'}.`);
    return this.setState({ isRaw: false, draft: next, refusal: undefined });
  };

  /** @param refusal  why nothing is done; none: it is done */
  refuse(refusal, field) {
    this.setState({ refusal });
    field?.focus();
  }
}

/** The fields of an object. */
function Members({ schema, root, draft, id, depth = 0, onInput }) {
  return Object.entries(schema.properties).map(
    ([name, property]) =>
      html`<${Field} key=${name} name=${name} given=${property} root=${root} draft=${draft[name]} id=${`${id}.${encodeURIComponent(name)}`}
        depth=${depth + 1} isRequired=${isNeeded(schema, name)} onInput=${(next) => onInput({ ...draft, [name]: next })} />`,
  );
}

function Field({ name, given, root, draft, id, depth, isRequired, onInput }) {
  const schema = resolve(given, root);
  const kind = kindOf(schema, root, depth);
  const title = typeof schema.title === 'string' && schema.title !== name ? `${schema.title} (${name})` : name;
  const label = html`${title}${isRequired ? html` <span class="note">required</span>` : ''}`;
  const description = typeof schema.description === 'string' ? schema.description : undefined;
  const note = description && html`<p class="note" id=${`note:${id}`}>${description}</p>`;
  const described = description ? `note:${id}` : undefined;
  if (kind === 'object') {
    return html`<fieldset aria-describedby=${described}><legend>${label}</legend>${note}
      <${Members} schema=${schema} root=${root} draft=${draft} id=${id} depth=${depth} onInput=${onInput} /></fieldset>`;
  }
  if (kind === 'choices') {
    const problem = countProblem(schema, draft.filter(Boolean).length, isRequired);
    const set = (index) => (event) => onInput(draft.with(index, event.target.checked));
    return html`<fieldset name=${name} data-problem=${problem} aria-describedby=${described}><legend>${label}</legend>${note}
      ${choicesOf(resolve(schema.items, root)).map(
        (choice, index) =>
          html`<label class="check"><input type="checkbox" checked=${draft[index]} onChange=${set(index)} />${choice.label}</label>`,
      )}</fieldset>`;
  }
  if (kind === 'list') {
    const problem = countProblem(schema, draft.length, isRequired);
    return html`<fieldset name=${name} data-problem=${problem} aria-describedby=${described}><legend>${label}</legend>${note}
      <${List} schema=${schema} root=${root} draft=${draft} id=${id} onInput=${onInput} /></fieldset>`;
  }
  if (kind === 'boolean') {
    return html`<div class="field"><label class="check"><input type="checkbox" id=${id} checked=${draft === true}
      aria-describedby=${described} onChange=${(event) => onInput(event.target.checked)} />${label}</label>${note}</div>`;
  }
  if (kind === 'json') {
    return html`<${JsonField} id=${id} name=${name} label=${html`${label} <span class="note">JSON</span>`} note=${note} described=${described} text=${draft}
      isRequired=${isRequired} onInput=${onInput} />`;
  }
  return html`<div class="field"><label for=${id}>${label}</label>${note}
    <${Input} schema=${schema} root=${root} draft=${draft} id=${id} described=${described} isRequired=${isRequired}
      onInput=${onInput} /></div>`;
}

/** A choice, a number or a text. */
function Input({ schema, root, draft, id, described, label, isRequired, onInput }) {
  const kind = kindOf(schema, root);
  const type = (event) => onInput(event.target.value);
  const common = { id, required: isRequired, 'aria-describedby': described, 'aria-label': label };
  if (kind === 'choice') {
    return html`<select ...${common} value=${draft} onChange=${type}>
      <option value="">–</option>
      ${choicesOf(schema).map((choice, index) => html`<option value=${String(index)}>${choice.label}</option>`)}
    </select>`;
  }
  if (kind === 'number' || kind === 'integer') {
    const step = kind === 'integer' ? 1 : 'any';
    return html`<input ...${common} type="number" step=${step} min=${schema.minimum} max=${schema.maximum} value=${draft}
      onInput=${type} />`;
  }
  const { minLength, maxLength, format } = schema;
  if (format === undefined) {
    return html`<textarea ...${common} class="text" rows="1" minlength=${minLength} maxlength=${maxLength} autocomplete="off"
      value=${draft} onInput=${type}></textarea>`;
  }
  return html`<input ...${common} type=${INPUT_TYPES[format] ?? 'text'} minlength=${minLength} maxlength=${maxLength}
    placeholder=${format === 'date-time' ? '2026-01-31T12:00:00Z' : undefined} autocomplete="off" value=${draft} onInput=${type} />`;
}

function List({ schema, root, draft, id, onInput }) {
  const items = resolve(schema.items, root);
  const remove = (index) => (event) => {
    // The button goes away.
    event.target.closest('fieldset').querySelector(':scope > button').focus();
    onInput(draft.toSpliced(index, 1));
  };
  const add = () => onInput([...draft, draftOf(items, root)]);
  return html`
    ${draft.map(
      (item, index) => html`<div class="row">
        <${Input} schema=${items} root=${root} draft=${item} id=${`${id}.${index}`} label=${`Item ${index + 1}`} isRequired
          onInput=${(next) => onInput(draft.with(index, next))} />
        <button type="button" aria-label=${`Remove item ${index + 1}`}
          onClick=${remove(index)}>Remove</button>
      </div>`,
    )}
    <button type="button" onClick=${add}>Add</button>`;
}

/** Anything, as JSON; the browser refuses the form while it is none. */
function JsonField({ id, name, label, note, described, text, isRequired, onInput }) {
  const type = ({ target }) => {
    target.setCustomValidity(problemOf(target.value));
    onInput(target.value);
  };
  const problem = problemOf(text);
  return html`<div class="field"><label for=${id}>${label}</label>${note}
    <textarea id=${id} name=${name} rows="6" spellcheck=${false} required=${isRequired} aria-invalid=${problem ? 'true' : undefined}
      aria-describedby=${[described, problem && `problem:${id}`].filter(Boolean).join(' ') || undefined}
      value=${text} onInput=${type}></textarea>
    ${problem && html`<p class="problem" id=${`problem:${id}`}>${problem}</p>`}</div>`;
}

function problemOf(text) {
  if (text === '') return '';
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return `This is no JSON: ${error.message}`;
  }
}
