/** Parts of results, prompts and resources: how they are shown, and how what is no text is kept in files. */

const { mkdirSync, statSync, writeFileSync } = require('node:fs');
const { basename, join, sep } = require('node:path');
const { EXIT, Failure } = require('./failure');
const { clean, counted, json } = require('./output');

const EXTENSIONS = {
  'application/json': 'json',
  'application/pdf': 'pdf',
  'audio/mpeg': 'mp3',
  'audio/ogg': 'ogg',
  'audio/wav': 'wav',
  'image/gif': 'gif',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/svg+xml': 'svg',
  'image/webp': 'webp',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/plain': 'txt',
};

/** One part as a text that may have lines. */
function render(item) {
  if (typeof item?.text === 'string' && (item.type === 'text' || item.uri !== undefined)) return item.text;
  const part = binaryOf(item);
  if (part) return `[${part.kind} ${clean(part.mimeType)}, ${part.data.length} characters of base64]`;
  return json(item, 2);
}

/** `{ kind, mimeType, data }` of an image, of audio, and of a resource in base64. */
function binaryOf(item) {
  if (typeof item?.data === 'string') return { kind: clean(item.type), mimeType: item.mimeType, data: item.data };
  const resource = item?.resource ?? item;
  if (typeof resource?.blob !== 'string') return undefined;
  return { kind: 'resource', mimeType: resource.mimeType, data: resource.blob };
}

/** The same of a resource that is text; a text of the result itself is none. */
function textOf(item) {
  const resource = item?.resource ?? item;
  if (typeof resource?.text !== 'string' || resource.type === 'text') return undefined;
  return { kind: 'resource', mimeType: resource.mimeType, text: resource.text };
}

/**
 * Writes parts to a file or, where `path` is a folder or ends as one, into it: `1.png`, `2.mp3`. Names are ours: a server's could
 * lead elsewhere. What has such a name is replaced.
 */
function save(items, path) {
  const parts = items.map((item) => binaryOf(item) ?? textOf(item)).filter(Boolean);
  const isFolder = /[/\\]$/.test(path) || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder && parts.length > 1) {
    throw failed(`There are ${parts.length} files to save`, `Name a folder: --save ${basename(path)}${sep}`);
  }
  try {
    if (isFolder) mkdirSync(path, { recursive: true });
    for (const [index, { kind, mimeType, data, text }] of parts.entries()) {
      const file = isFolder ? join(path, `${index + 1}.${extensionOf(mimeType)}`) : path;
      writeFileSync(file, text ?? Buffer.from(data, 'base64'));
      // stdout may be the result in JSON.
      process.stderr.write(`${kind} ${clean(mimeType ?? 'of no type')} saved to ${file}\n`);
    }
  } catch (error) {
    throw failed(`${path} cannot be written: ${error.message}`);
  }
  if (parts.length === 0) process.stderr.write(`Nothing to save among ${counted(items.length, 'part')}\n`);
}

const extensionOf = (mimeType) => {
  const type = String(mimeType).split(';')[0].trim().toLowerCase();
  return Object.hasOwn(EXTENSIONS, type) ? EXTENSIONS[type] : 'bin';
};

const failed = (message, hint) => new Failure(message, { exitCode: EXIT.failed, code: 'MCP_INVALID_ARGUMENT', hint });

module.exports = { render, save };
