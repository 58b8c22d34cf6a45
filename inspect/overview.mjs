/** One server: how it is, what its configuration says, and which rules hold for it. */

import { html } from './dom.mjs';
import { Roots } from './questions.mjs';
import { Json } from './result.mjs';

export function Overview({ server, roots }) {
  const { serverInfo, protocolVersion, rules = {}, authorization } = server;
  const facts = [
    ['Transport', server.transport],
    ['Where', server.address],
    ['Calls itself', serverInfo && `${serverInfo.title ?? serverInfo.name} ${serverInfo.version}`],
    ['Protocol', protocolVersion],
    ['Authorization', authorization && (authorization.reason || 'none that the configuration speaks of')],
    ['Variables of the environment that are missing', rules.environment?.missing.join(', ')],
    ['Placeholders', rules.placeholders?.join(' ')],
    [
      'Variables of users',
      rules.userVariables?.map(({ name, isSet }) => `${name} (${isSet ? 'set' : 'not set'})`).join(', '),
    ],
    ['Allowed domains', rules.allowedDomains?.join(', ') ?? 'all that are public'],
    ['Allowed private addresses', rules.allowedAddresses?.join(', ') ?? 'none'],
  ];
  return html`
    <p class="prose">${server.description}</p>
    <dl class="facts">${facts
      .filter(([, value]) => value)
      .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${server.instructions && html`<h3>Instructions for models</h3><p class="prose block">${server.instructions}</p>`}
    ${server.capabilities && html`<details><summary>Capabilities</summary><${Json} value=${server.capabilities} /></details>`}
    <${Roots} roots=${roots} />`;
}
