/** Gives runtimes their `client()`. Few programs have clients or apps, which are loaded with the first of them. */

/** @param {(host: any) => any} create  makes a runtime whose `client()` is what a client makes its requests through */
function withClients(create) {
  return function createMCPRuntime(host) {
    const runtime = create(host);
    const { client } = runtime;
    let known;
    const apps = () => {
      known ??= new (require('./apps.js').Apps)(host);
      return known;
    };
    const common = { apps, keeps: host.keepConnections !== false };
    runtime.client = (serverName, params) => require('./client.js').makeClient(client, common, serverName, params);
    return runtime;
  };
}

module.exports = { withClients };
