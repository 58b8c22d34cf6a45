const { runInThisContext } = require('node:vm');

/** Jest gives a suite a copy of the environment; the addon reads the process's own. */
const environments = [process.env, runInThisContext('process').env];

/** Sets these variables while a suite runs. Call once at the top of a suite. */
function useEnvironment(variables) {
  beforeAll(() => {
    for (const environment of environments) Object.assign(environment, variables);
  });
  afterAll(() => {
    for (const environment of environments) for (const name of Object.keys(variables)) delete environment[name];
  });
}

module.exports = { useEnvironment };
