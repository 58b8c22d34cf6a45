/** Ports that speak TLS where none is meant and the reverse, and certificates that are not liked. */

const { tlsOptions } = require('../support/certificates');

const notFound = (_, response) => response.writeHead(404).end();

module.exports = async function tlsServers({ serve }, certificates) {
  const authority = certificates.authority('Notes Authority');
  const issued = (options) => tlsOptions(authority.issue('notes', options));
  const secure = (tls) => serve(notFound, { tls, host: 'localhost' });
  const trusted = { tls: { ca: authority.ca } };

  const good = await secure(issued());
  const plain = await serve(notFound);
  const selfSigned = await secure(tlsOptions(certificates.selfSigned('localhost')));
  const expired = await secure(issued({ days: -1 }));
  const otherHost = await secure(issued({ host: 'DNS:notes.example.com' }));

  return {
    'tls-http-to-tls': { type: 'streamable-http', url: good.origin.replace('https:', 'http:') },
    'tls-https-to-plain': { type: 'streamable-http', url: plain.origin.replace('http:', 'https:') },
    'tls-self-signed': selfSigned.config(),
    'tls-unknown-authority': good.config(),
    'tls-expired': expired.config(trusted),
    'tls-other-host': otherHost.config(trusted),
  };
};
