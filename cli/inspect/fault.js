/** An error of a request of the page: `status` is that of its answer. */
const fault = (status, message) => Object.assign(new Error(message), { status });

module.exports = { fault };
