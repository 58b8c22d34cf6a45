/** Cookies that bind an OAuth flow to the browser that began it. */

const { createHmac, timingSafeEqual } = require('node:crypto');

const OAUTH_CSRF_COOKIE = 'oauth_csrf';
const OAUTH_SESSION_COOKIE = 'oauth_session';
const OAUTH_SESSION_COOKIE_PATH = '/api';
const MINUTE_MS = 60_000;

const sign = (value) => createHmac('sha256', process.env.JWT_SECRET).update(value).digest('hex').slice(0, 32);

function readCookie(req, name) {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1];
}

function isSignature(signature, value) {
  const [given, expected] = [signature ?? '', sign(value)].map((text) => Buffer.from(text));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

const options = (path, minutes) => ({ httpOnly: true, sameSite: 'lax', maxAge: minutes * MINUTE_MS, path });

function setOAuthCsrfCookie(res, flowId, path) {
  res.cookie(OAUTH_CSRF_COOKIE, sign(flowId), options(path, 10));
}

/** Whether the browser is the one that the flow was begun in; the cookie serves once. */
function validateOAuthCsrf(req, res, flowId, path) {
  res.clearCookie(OAUTH_CSRF_COOKIE, { path });
  return isSignature(readCookie(req, OAUTH_CSRF_COOKIE), flowId);
}

/** Middleware: remembers in the browser which user signed in. */
function setOAuthSession(req, res, next) {
  res.cookie(OAUTH_SESSION_COOKIE, sign(req.user.id), options(OAUTH_SESSION_COOKIE_PATH, 24 * 60));
  next();
}

const validateOAuthSession = (req, userId) => isSignature(readCookie(req, OAUTH_SESSION_COOKIE), userId);

module.exports = { setOAuthCsrfCookie, setOAuthSession, validateOAuthCsrf, validateOAuthSession };
