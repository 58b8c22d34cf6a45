/** Where things are on the page: `#/SERVER/PART/NAME`. */

export const PARTS = ['overview', 'tools', 'resources', 'prompts', 'login', 'exchange'];

export function linkTo(...names) {
  return `#/${names.map(encodeURIComponent).join('/')}`;
}

/** `{ server, part, name }` of an address's fragment. */
export function placeOf(hash) {
  const names = hash.replace(/^#\/?/, '').split('/');
  const [server, part, name] = names.map((text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return '';
    }
  });
  return { server: server || undefined, part: PARTS.includes(part) ? part : 'overview', name: name || undefined };
}
