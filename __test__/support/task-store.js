const { InMemoryTaskStore } = require('@modelcontextprotocol/sdk/experimental/tasks');

/** The SDK's store, for all sessions: a task outlives the one it was begun in. */
class TaskStore extends InMemoryTaskStore {
  ids = [];

  async createTask(params, id, request) {
    const task = await super.createTask(params, id, request);
    this.ids.push(task.taskId);
    return task;
  }

  getTask = (id) => super.getTask(id);
  getTaskResult = (id) => super.getTaskResult(id);
  storeTaskResult = (id, status, result) => super.storeTaskResult(id, status, result);
  updateTaskStatus = (id, status, message) => super.updateTaskStatus(id, status, message);
}

module.exports = { TaskStore };
