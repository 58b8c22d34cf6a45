const { testAddonPath } = require('../../scripts/addon-path');
const { freePorts } = require('./ports');

/** The example loads the package by its name, and that the addon of `npm run build`, unless this says otherwise. */
const ADDON = { NAPI_RS_NATIVE_LIBRARY_PATH: process.env.MCP_TEST_ADDON ?? testAddonPath() };

/** Ports for the servers of the example, by name. */
const examplePorts = async () => {
  const ports = await freePorts(5);
  const [app, everything, guarded, onBehalf, authorization] = ports;
  return { app, everything, protected: guarded, onBehalf, authorization };
};

/** Requests of a user of the app; answers are `{ status, body, cookies, location }`. */
function createClient(app, token) {
  const origin = new URL(app.url).origin;
  const request = async (method, path, { json, cookie = '', anonymous = false } = {}) => {
    const response = await fetch(path.startsWith('http') ? path : `${origin}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(!anonymous && { authorization: `Bearer ${token}` }),
        ...(json && { 'content-type': 'application/json' }),
        cookie,
      },
      body: json && JSON.stringify(json),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return {
      status: response.status,
      body: isJson ? JSON.parse(text) : text,
      cookies: response.headers.getSetCookie().map((line) => line.split(';')[0]),
      location: response.headers.get('location'),
    };
  };
  const { id } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  return {
    id,
    get: (path, options) => request('GET', path, options),
    post: (path, options) => request('POST', path, options),
    patch: (path, options) => request('PATCH', path, options),
    state: async (serverName) =>
      (await request('GET', `/api/mcp/connection/status/${serverName}`)).body.connectionStatus,
  };
}

/** A client of a user of the app whose token it has printed. */
const clientOf = (app, role) => createClient(app, new RegExp(`^token ${role} (.+)$`, 'm').exec(app.output())[1]);

module.exports = { ADDON, clientOf, createClient, examplePorts };
