/** Servers over TLS that take clients of one authority, and two such clients. */

const { tlsOptions, useCertificates } = require('./certificates');

function useTlsServers(fixtures) {
  const certificates = useCertificates();
  const authority = certificates.authority('Servers');
  const clients = certificates.authority('Clients');
  const ofServer = authority.issue('server');
  const alice = clients.issue('alice');
  const bob = clients.issue('bob');

  const TRUSTING = { ca: authority.ca };
  const ALICE = { ...TRUSTING, ...alice };

  /** A server that takes clients of the authority alone, unless told otherwise. */
  const start = (options, certificate = ofServer) =>
    fixtures.server({ tls: tlsOptions(certificate, { clients: clients.ca, ...options }) });
  /** The names in the certificates of those who asked. */
  const clientsOf = (server) => [...new Set(server.requests.map(({ client }) => client))];

  return { ALICE, TRUSTING, alice, authority, bob, certificates, clients, clientsOf, ofServer, start };
}

module.exports = { useTlsServers };
