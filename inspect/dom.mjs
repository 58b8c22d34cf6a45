/** How views are written: `html` makes elements of templates, in which every value is text. */

import htm from './htm.mjs';
import { Component, createRef, h, render } from './preact.mjs';

const html = htm.bind(h);

export { Component, createRef, html, render };
