/**
 * Cookies that bind an OAuth flow to the browser that began it.
 *
 * @typedef {Pick<import('express').Request, 'headers'>} Request
 * @typedef {import('express').Response} Response
 */

const { createHmac, timingSafeEqual } = require('node:crypto');

const OAUTH_CSRF_COOKIE = 'oauth_csrf';
const OAUTH_SESSION_COOKIE = 'oauth_session';
const OAUTH_SESSION_COOKIE_PATH = '/api';
const MINUTE_MS = 60_000;

/** @param {string} value */
const sign = (value) => createHmac('sha256', process.env.JWT_SECRET).update(value).digest('hex').slice(0, 32);

/**
 * @param {Request} req
 * @param {string} name
 */
function readCookie(req, name) {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1];
}

/**
 * @param {string | undefined} signature
 * @param {string} value
 */
function isSignature(signature, value) {
  const [given, expected] = [signature ?? '', sign(value)].map((text) => Buffer.from(text));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/**
 * @param {string} path
 * @param {number} minutes
 * @returns {import('express').CookieOptions}
 */
const options = (path, minutes) => ({ httpOnly: true, sameSite: 'lax', maxAge: minutes * MINUTE_MS, path });

/**
 * @param {Response} res
 * @param {string} flowId
 * @param {string} path
 */
function setOAuthCsrfCookie(res, flowId, path) {
  res.cookie(OAUTH_CSRF_COOKIE, sign(flowId), options(path, 10));
}

/**
 * Whether the browser is the one that the flow was begun in; the cookie serves once.
 *
 * @param {Request} req
 * @param {Response} res
 * @param {string} flowId
 * @param {string} path
 */
function validateOAuthCsrf(req, res, flowId, path) {
  res.clearCookie(OAUTH_CSRF_COOKIE, { path });
  return isSignature(readCookie(req, OAUTH_CSRF_COOKIE), flowId);
}

/**
 * Middleware: remembers in the browser which user signed in.
 *
 * @type {import('express').RequestHandler<any>}
 */
const setOAuthSession = (req, res, next) => {
  res.cookie(OAUTH_SESSION_COOKIE, sign(req.user.id), options(OAUTH_SESSION_COOKIE_PATH, 24 * 60));
  return next();
};

/**
 * @param {Request} req
 * @param {string} userId
 */
const validateOAuthSession = (req, userId) => isSignature(readCookie(req, OAUTH_SESSION_COOKIE), userId);

module.exports = { setOAuthCsrfCookie, setOAuthSession, validateOAuthCsrf, validateOAuthSession };
