const { recordError, recordLog } = require('./secrets');

/** What a result shows people: never the URL, whose state and challenge belong there. */
function recordResult(result) {
  const { message, error, toolsError } = result ?? {};
  if (message || error || toolsError) recordLog(`result ${JSON.stringify({ message, error, toolsError })}`);
}

function watchFunction(work) {
  const watched = (...parameters) => {
    let outcome;
    try {
      outcome = work(...parameters);
    } catch (error) {
      recordError(error);
      throw error;
    }
    if (typeof outcome?.then === 'function') outcome.then(recordResult, recordError);
    return outcome;
  };
  return Object.defineProperties(watched, Object.getOwnPropertyDescriptors(work));
}

function watchFunctions(object) {
  for (const [name, member] of Object.entries(object)) {
    if (typeof member === 'function') object[name] = watchFunction(member);
  }
}

/** Records what the functions of a runtime throw, for the search for secrets; they are the same otherwise. */
function watchRuntime(runtime) {
  for (const surface of [runtime, runtime.manager, runtime.oauth, runtime.tokens]) watchFunctions(surface);
  return runtime;
}

module.exports = { watchRuntime };
