const { createPublicKey, sign, verify } = require('node:crypto');

const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));

/** A JWT signed with ES256; `key` is a private key of P-256. */
function signJwt(key, claims, header) {
  const text = `${encode({ alg: 'ES256', ...header })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** `{ header, claims }` of a JWT that this key has signed and that has not expired; `undefined` for any other text. */
function openJwt(key, token) {
  const [header, claims, signature] = String(token).split('.');
  if (!signature) return undefined;
  const signed = Buffer.from(`${header}.${claims}`);
  const publicKey = { key: createPublicKey(key), dsaEncoding: 'ieee-p1363' };
  if (!verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'))) return undefined;
  const opened = { header: decode(header), claims: decode(claims) };
  return opened.claims.exp > Date.now() / 1000 ? opened : undefined;
}

module.exports = { openJwt, signJwt };
