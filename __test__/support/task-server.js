const { BASE, discover, startModern } = require('./scripted-modern-server');

/**
 * A server of 2026-07-28 that has a task for each call, `t1` for the first; `state(params, headers)` is how it is doing, as
 * `tasks/get` tells.
 */
function startTaskServer(state) {
  let begun = 0;
  const task = (taskId) => ({ ...BASE, taskId, status: 'working', ttlMs: null, pollIntervalMs: 100 });
  return startModern((method, params, headers) => {
    if (method === 'server/discover') return discover();
    if (method === 'tools/call') return { ...task(`t${++begun}`), resultType: 'task' };
    const now = method === 'tasks/get' ? state(params, headers) : BASE;
    return now && (now.status ? { ...task(params.taskId), ...now } : now);
  });
}

module.exports = { startTaskServer };
