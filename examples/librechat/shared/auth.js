/**
 * Signing in to LibreChat is not what this example is about: there are two local users, and the app prints a token for
 * each. Those of the organization sign in; see `openid.js`.
 */

const { SystemRoles } = require('librechat-data-provider');
const jwt = require('jsonwebtoken');
const db = require('./models');
const { getFederatedTokens } = require('./openid');

const USERS = [
  { email: 'admin@example.org', name: 'Admin', role: SystemRoles.ADMIN },
  { email: 'user@example.org', name: 'User', role: SystemRoles.USER },
];

/** @param {string} id */
const tokenOf = (id) => jwt.sign({ id }, process.env.JWT_SECRET, { expiresIn: '1h' });

/** Makes the users, if they are not there yet, and prints `token ROLE TOKEN` for each. */
async function printTokens() {
  for (const data of USERS) {
    const { email, role } = data;
    const id = (await db.findUser({ email }, '_id'))?._id ?? (await db.createUser({ ...data, provider: 'local' }));
    console.log(`token ${role} ${tokenOf(String(id))}`);
  }
}

/**
 * `requireJwtAuth` of LibreChat: the user of the bearer token, as `req.user`.
 *
 * @type {import('express').RequestHandler<any>}
 */
const requireJwtAuth = async (req, res, next) => {
  try {
    const token = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1] ?? '';
    const { id } = /** @type {jwt.JwtPayload} */ (jwt.verify(token, process.env.JWT_SECRET, { algorithms: ['HS256'] }));
    const user = await db.getUserById(id, '-password -__v');
    if (!user) throw new Error('There is no such user');
    const userId = String(user._id);
    req.user = Object.assign(user, { id: userId, federatedTokens: getFederatedTokens(userId) });
  } catch {
    return res.status(401).json({ message: 'Unauthorized' });
  }
  return next();
};

module.exports = { printTokens, requireJwtAuth, tokenOf };
