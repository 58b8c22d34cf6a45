/** Around what is made of a server's words: where these cannot be shown, the rest of the page still is. */

import { Component, html } from './dom.mjs';

export class Boundary extends Component {
  state = {};

  componentDidCatch({ message }) {
    this.setState({ message });
  }

  render({ children }, { message }) {
    if (message === undefined) return children;
    return html`<p class="failure" role="alert">The server sent something that cannot be shown: ${message}</p>`;
  }
}
