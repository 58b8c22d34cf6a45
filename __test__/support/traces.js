const { readFileSync } = require('node:fs');

/** A secret as somebody may write it down. */
const formsOf = (secret) => {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    [...bytes].map((byte) => `%${byte.toString(16)}`).join(''),
    bytes.toString('hex'),
    bytes.toString('base64').replaceAll('=', ''),
    Buffer.from(`${secret.length}:${secret}`).toString('base64url'),
    JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'),
  ];
};

/** What a server answers that repeats what it was sent. */
const echoOf = (secrets) => secrets.flatMap(formsOf).join(' | ');

/** The secrets that a text has in one form or another, each form that is there. */
const leaksIn = (text, secrets) =>
  secrets.flatMap((secret) =>
    formsOf(secret).filter((form) => text.includes(form) || text.includes(form.slice(3, -3))),
  );

/** The lines that are whole. */
const readTrace = (file) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

/** A record in two or three words: `token request`, `sent tools/call`, `connected`. */
function nameOf({ kind, purpose, phase, direction, message, step }) {
  if (kind === 'http') return `${purpose} ${phase}`;
  return kind === 'message' ? `${direction} ${message?.method ?? 'answer'}` : step;
}

module.exports = { echoOf, formsOf, leaksIn, nameOf, readTrace };
