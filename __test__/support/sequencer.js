const { default: Sequencer } = require('@jest/test-sequencer');

/** Suites that take a minute and more. */
const LONG = ['mixed-operation', 'refresh', 'example', 'cli', 'workers'];

/** Begins with the long suites, else one of them is left alone at the end: Jest takes a long file for a long suite. */
module.exports = class LongFirst extends Sequencer {
  sort(tests) {
    const isLong = ({ path }) => LONG.some((name) => path.endsWith(`/${name}.test.js`));
    const sorted = super.sort(tests);
    return [...sorted.filter(isLong), ...sorted.filter((test) => !isLong(test))];
  }
};
