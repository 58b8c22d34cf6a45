/** A form made from a JSON Schema, with the whole as JSON beside it. */

import { Component, html } from './dom.mjs';
import { choicesOf, draftOf, isNeeded, kindOf, resolve, valueFrom } from './schema.mjs';

const INPUT_TYPES = { date: 'date', email: 'email', uri: 'url', url: 'url' };
const EMPTY = { type: 'object', properties: {} };

/**
 * @param props.schema    of an object
 * @param props.label     what the button says
 * @param props.isBusy    whether what was submitted is under way; the button keeps the focus meanwhile
 * @param props.onSubmit  is called with the object
 */
export class SchemaForm extends Component {
  constructor(props) {
    super(props);
    const schema = resolve(props.schema ?? EMPTY, props.schema);
    this.schema = kindOf(schema, schema) === 'object' ? schema : { type: 'object', properties: {}, ...schema };
    const isForm = kindOf(this.schema, this.schema) === 'object';
    this.state = { draft: draftOf(this.schema, this.schema), isRaw: !isForm, raw: '{}' };
  }

  render({ label, isBusy, children }, { draft, isRaw, raw }) {
    return html`
      <form onSubmit=${this.submit}>
        ${
          isRaw
            ? html`<${JsonField} id="raw" label="Arguments as JSON" text=${raw} isRequired onInput=${(text) => this.setState({ raw: text })} />`
            : html`<${Members} schema=${this.schema} root=${this.schema} draft=${draft} id="argument"
                onInput=${(next) => this.setState({ draft: next })} />`
        }
        <p class="buttons">
          <button type="submit" class="main" aria-disabled=${String(Boolean(isBusy))}>${label}</button>
          <button type="button" aria-pressed=${String(isRaw)} onClick=${this.turn}>JSON</button>
          ${children}
        </p>
      </form>`;
  }

  submit = (event) => {
    event.preventDefault();
    if (this.props.isBusy) return;
    const { isRaw, raw } = this.state;
    this.props.onSubmit(isRaw ? JSON.parse(raw) : this.value());
  };

  turn = () => {
    const { isRaw, raw } = this.state;
    if (!isRaw) return this.setState({ isRaw: true, raw: JSON.stringify(this.value(), null, 2) });
    try {
      this.setState({ isRaw: false, draft: draftOf(this.schema, this.schema, JSON.parse(raw)) });
    } catch {
      // The field says what is wrong; there is no form of it.
    }
  };

  value() {
    try {
      return valueFrom(this.schema, this.schema, this.state.draft, true);
    } catch {
      // A field has JSON that is none.
      return {};
    }
  }
}

/** The fields of an object. */
function Members({ schema, root, draft, id, depth = 0, onInput }) {
  return Object.entries(schema.properties).map(
    ([name, property]) =>
      html`<${Field} key=${name} name=${name} given=${property} root=${root} draft=${draft[name]} id=${`${id}.${name}`}
        depth=${depth + 1} isRequired=${isNeeded(schema, name)} onInput=${(next) => onInput({ ...draft, [name]: next })} />`,
  );
}

function Field({ name, given, root, draft, id, depth, isRequired, onInput }) {
  const schema = resolve(given, root);
  const kind = kindOf(schema, root, depth);
  const title = typeof schema.title === 'string' && schema.title !== name ? `${schema.title} (${name})` : name;
  const label = html`${title}${isRequired ? html` <span class="note">required</span>` : ''}`;
  const description = typeof schema.description === 'string' ? schema.description : undefined;
  const note = description && html`<p class="note" id=${`${id}-note`}>${description}</p>`;
  const described = description ? `${id}-note` : undefined;
  if (kind === 'object') {
    return html`<fieldset aria-describedby=${described}><legend>${label}</legend>${note}
      <${Members} schema=${schema} root=${root} draft=${draft} id=${id} depth=${depth} onInput=${onInput} /></fieldset>`;
  }
  if (kind === 'choices') {
    const set = (index) => (event) => onInput(draft.with(index, event.target.checked));
    return html`<fieldset aria-describedby=${described}><legend>${label}</legend>${note}
      ${choicesOf(resolve(schema.items, root)).map(
        (choice, index) =>
          html`<label class="check"><input type="checkbox" checked=${draft[index]} onChange=${set(index)} />${choice.label}</label>`,
      )}</fieldset>`;
  }
  if (kind === 'list') {
    return html`<fieldset aria-describedby=${described}><legend>${label}</legend>${note}
      <${List} schema=${schema} root=${root} draft=${draft} id=${id} onInput=${onInput} /></fieldset>`;
  }
  if (kind === 'boolean') {
    return html`<div class="field"><label class="check"><input type="checkbox" id=${id} checked=${draft === true}
      aria-describedby=${described} onChange=${(event) => onInput(event.target.checked)} />${label}</label>${note}</div>`;
  }
  if (kind === 'json') {
    return html`<${JsonField} id=${id} label=${label} note=${note} described=${described} text=${draft}
      isRequired=${isRequired} onInput=${onInput} />`;
  }
  return html`<div class="field"><label for=${id}>${label}</label>${note}
    <${Input} schema=${schema} root=${root} draft=${draft} id=${id} described=${described} isRequired=${isRequired}
      onInput=${onInput} /></div>`;
}

/** One line of a form: a choice, a number or a text. */
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
  return html`<input ...${common} type=${INPUT_TYPES[format] ?? 'text'} minlength=${minLength} maxlength=${maxLength}
    placeholder=${format === 'date-time' ? '2026-01-31T12:00:00Z' : undefined} autocomplete="off" value=${draft} onInput=${type} />`;
}

function List({ schema, root, draft, id, onInput }) {
  const items = resolve(schema.items, root);
  const add = () => onInput([...draft, draftOf(items, root)]);
  return html`
    ${draft.map(
      (item, index) => html`<div class="row">
        <${Input} schema=${items} root=${root} draft=${item} id=${`${id}.${index}`} label=${`Item ${index + 1}`} isRequired
          onInput=${(next) => onInput(draft.with(index, next))} />
        <button type="button" aria-label=${`Remove item ${index + 1}`}
          onClick=${() => onInput(draft.toSpliced(index, 1))}>Remove</button>
      </div>`,
    )}
    <button type="button" onClick=${add}>Add</button>`;
}

/** Anything, as JSON; the browser refuses the form while it is none. */
function JsonField({ id, label, note, described, text, isRequired, onInput }) {
  const type = ({ target }) => {
    target.setCustomValidity(problemOf(target.value));
    onInput(target.value);
  };
  const problem = problemOf(text);
  return html`<div class="field"><label for=${id}>${label}</label>${note}
    <textarea id=${id} rows="6" spellcheck=${false} required=${isRequired} aria-invalid=${problem ? 'true' : undefined}
      aria-describedby=${[described, problem && `${id}-problem`].filter(Boolean).join(' ') || undefined}
      value=${text} onInput=${type}></textarea>
    ${problem && html`<p class="problem" id=${`${id}-problem`}>${problem}</p>`}</div>`;
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
