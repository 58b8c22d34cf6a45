/**
 * Who this LibreChat is at authorization servers that read client-ID metadata documents (SEP-991,
 * draft-ietf-oauth-client-id-metadata-document): nobody registers it, its `client_id` is the URL of this document.
 */

const PATH = '/oauth/client-metadata.json';

/**
 * Lists the callbacks of those servers alone whose config has the document for a client, since anybody may read it.
 *
 * @param {string} url  where authorization servers fetch the document, over https
 * @param {Record<string, any>} mcpServers
 */
function clientMetadata(url, mcpServers) {
  const domain = process.env.DOMAIN_SERVER;
  const names = Object.keys(mcpServers).filter((name) => mcpServers[name].oauth?.client_id === url);
  return {
    client_id: url,
    client_name: 'LibreChat',
    client_uri: new URL(url).origin,
    redirect_uris: names.map((name) => `${domain}/api/mcp/${name}/oauth/callback`),
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
}

module.exports = { PATH, clientMetadata };
