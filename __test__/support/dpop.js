const { createHash, createPublicKey, verify } = require('node:crypto');

const sha256 = (text) => createHash('sha256').update(text).digest('base64url');
const decoded = (part) => JSON.parse(Buffer.from(part, 'base64url'));

/** The thumbprint of a public key on P-256 (RFC 7638). */
const thumbprint = ({ crv, kty, x, y }) => sha256(JSON.stringify({ crv, kty, x, y }));

/** `{ header, claims }` of a proof, unverified. */
function readProof(proof) {
  const [header, claims] = proof.split('.').slice(0, 2).map(decoded);
  return { header, claims };
}

/**
 * What a resource server checks about the proofs of requests (RFC 9449, section 4.3), with Node's cryptography: each counts
 * once.
 *
 * @param origin  of the server
 * @returns `{ check, jtis }`: `check(request, token, jkt)` answers why a request with that token, which is bound to the key
 *   with that thumbprint, is refused, or nothing; `jtis` are those of all proofs that were good
 */
function createProofChecker(origin) {
  const jtis = new Set();
  const check = ({ headers, method, url }, token, jkt) => {
    const proof = headers.dpop;
    if (typeof proof !== 'string') return 'there is no proof';
    const { header, claims } = readProof(proof);
    const [signed, signature] = [proof.slice(0, proof.lastIndexOf('.')), proof.split('.')[2]];
    if (header.typ !== 'dpop+jwt' || header.alg !== 'ES256' || 'd' in header.jwk)
      return 'its header is none of a proof';
    const key = { key: createPublicKey({ key: header.jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
    if (!verify('sha256', Buffer.from(signed), key, Buffer.from(signature, 'base64url'))) return 'it is forged';
    if (claims.htm !== method) return 'it is for another method';
    if (claims.htu !== origin + new URL(url, origin).pathname) return 'it is for another URL';
    if (!(Math.abs(Date.now() / 1000 - claims.iat) < 300)) return 'it is of another time';
    if (claims.ath !== sha256(token)) return 'it is for another token';
    if (thumbprint(header.jwk) !== jkt) return 'it is by another key';
    if (jtis.has(claims.jti)) return 'it was there before';
    jtis.add(claims.jti);
    return undefined;
  };
  return { check, jtis };
}

module.exports = { createProofChecker, readProof, thumbprint };
