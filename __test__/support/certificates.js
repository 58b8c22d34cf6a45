const { execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Authorities and certificates in a folder of a suite, made by openssl. Call once at the top of a suite. */
function useCertificates() {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  let made = 0;
  afterAll(() => rmSync(folder, { recursive: true }));

  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const files = () => {
    made += 1;
    const path = (name) => join(folder, `${made}-${name}.pem`);
    return { cert: path('cert'), key: path('key'), request: path('request') };
  };
  const subject = (name) => ['-subj', `/CN=${name}`];

  return {
    /** A file of the folder with this text. */
    write(name, text) {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },

    /** As many openssl users make it: the server's own certificate, marked as an authority's. */
    selfSigned(host) {
      const { cert, key } = files();
      openssl(
        'req',
        '-x509',
        ...KEY,
        '-keyout',
        key,
        '-out',
        cert,
        '-days',
        '2',
        ...subject(host),
        '-addext',
        `subjectAltName=DNS:${host}`,
      );
      return { cert, key };
    },

    /** An authority: `{ ca, issue }`, where `issue(name, { host, days })` answers `{ cert, key }`; all are paths. */
    authority(name) {
      const { cert: ca, key: caKey } = files();
      openssl('req', '-x509', ...KEY, '-keyout', caKey, '-out', ca, '-days', '2', ...subject(name));
      const issue = (commonName, { host = 'DNS:localhost,IP:127.0.0.1', days = 1 } = {}) => {
        const { cert, key, request } = files();
        openssl(
          'req',
          '-new',
          ...KEY,
          '-keyout',
          key,
          '-out',
          request,
          ...subject(commonName),
          '-addext',
          `subjectAltName=${host}`,
        );
        openssl(
          'x509',
          '-req',
          '-in',
          request,
          '-CA',
          ca,
          '-CAkey',
          caKey,
          '-out',
          cert,
          '-days',
          String(days),
          '-copy_extensions',
          'copy',
        );
        return { cert, key };
      };
      return { ca, issue };
    },
  };
}

/** Options of Node's TLS servers: this certificate and key, and clients of this authority alone. */
function tlsOptions({ cert, key }, { clients, ...options } = {}) {
  const read = (path) => readFileSync(path, 'utf8');
  const asked = clients && { requestCert: true, rejectUnauthorized: true, ca: read(clients) };
  return { cert: read(cert), key: read(key), ...asked, ...options };
}

module.exports = { tlsOptions, useCertificates };
