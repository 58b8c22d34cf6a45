/** What servers answer, as users would see it. A server may say anything: all of it is text, but for images and sounds of these types. */

import { html } from './dom.mjs';
import { linkTo } from './links.mjs';

const IMAGES = new Set(['image/gif', 'image/jpeg', 'image/png', 'image/webp']);
const SOUNDS = new Set([
  'audio/aac',
  'audio/flac',
  'audio/mp4',
  'audio/mpeg',
  'audio/ogg',
  'audio/wav',
  'audio/webm',
  'audio/x-wav',
]);
const BASE64 = /^[A-Za-z0-9+/=\s]*$/;

/** An error: its sentence, and what to do about it. */
export function Failure({ error }) {
  return html`<div class="failure" role="alert"><p><strong>${error.message}</strong> <code>${error.code}</code></p>
    ${error.hint && html`<p>${error.hint}</p>`}</div>`;
}

/** The result of a tool call at `server`. */
export function ToolResult({ result, server }) {
  const { content, structuredContent, isError } = result;
  return html`
    ${isError && html`<p class="problem">The tool says that it failed.</p>`}
    ${[content ?? []].flat().map((block) => html`<${Block} block=${block} server=${server} />`)}
    ${structuredContent !== undefined && html`<h4>Structured content</h4><${Json} value=${structuredContent} />`}
    <${Raw} value=${result} />`;
}

/** The contents of a resource. */
export function ResourceResult({ result }) {
  return html`${[result.contents ?? []].flat().map((resource) => html`<${Embedded} resource=${resource} />`)}
    <${Raw} value=${result} />`;
}

/** The messages of a prompt, or of a server that asks a model. */
export function Messages({ messages, server }) {
  return html`<ol class="messages">${[messages ?? []].flat().map(
    (message) => html`<li><strong>${String(message?.role)}</strong>
      ${[message?.content ?? []].flat().map((block) => html`<${Block} block=${block} server=${server} />`)}</li>`,
  )}</ol>`;
}

function Block({ block, server }) {
  switch (block?.type) {
    case 'text':
      return html`<pre class="text">${String(block.text)}</pre>`;
    case 'image':
      return html`<${Media} data=${block.data} type=${block.mimeType} label="Image of the result" />`;
    case 'audio':
      return html`<${Media} data=${block.data} type=${block.mimeType} label="Sound of the result" />`;
    case 'resource':
      return html`<${Embedded} resource=${block.resource} />`;
    case 'resource_link':
      return html`<p class="block">Resource <strong>${String(block.title ?? block.name)}</strong>: <${Address} uri=${block.uri} />
        ${' '}<a href=${linkTo(server, 'resources', String(block.uri))}>Read it</a></p>`;
    default:
      return html`<p class="block">${String(block?.type)} ${sizeOf(block?.data)}</p>`;
  }
}

function Embedded({ resource }) {
  const { uri, mimeType, text, blob } = resource ?? {};
  return html`<div class="block"><p><${Address} uri=${uri} /> <span class="note">${mimeType}</span></p>
    ${
      typeof text === 'string'
        ? html`<pre class="text">${text}</pre>`
        : html`<${Media} data=${blob} type=${mimeType} label=${uri} />`
    }</div>`;
}

function Media({ data, type, label }) {
  const isData = typeof data === 'string' && BASE64.test(data);
  const source = `data:${type};base64,${data}`;
  if (isData && IMAGES.has(type)) return html`<img alt=${label} src=${source} />`;
  if (isData && SOUNDS.has(type)) return html`<audio controls aria-label=${label} src=${source}></audio>`;
  return html`<p class="block">${String(type)} ${sizeOf(data)}</p>`;
}

const sizeOf = (data) => (typeof data === 'string' ? `(${data.length} characters of base64)` : '');

/** An address in full; a link where a browser can go there. */
export function Address({ uri }) {
  const text = String(uri);
  return /^https?:\/\//i.test(text)
    ? html`<a href=${text} target="_blank" rel="noopener noreferrer">${text}</a>`
    : html`<code>${text}</code>`;
}

export function Json({ value }) {
  return html`<pre class="json" tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;
}

export function Raw({ value }) {
  return html`<details><summary>As the server sent it</summary><${Json} value=${value} /></details>`;
}
