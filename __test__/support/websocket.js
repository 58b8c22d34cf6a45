/** Messages of one socket, for the SDK's server. */
function transportOver(socket) {
  const transport = {
    start: async () => {},
    send: async (message) => socket.send(JSON.stringify(message)),
    close: async () => socket.close(),
  };
  socket.on('message', (text) => transport.onmessage?.(JSON.parse(text)));
  socket.on('close', () => transport.onclose?.());
  return transport;
}

module.exports = { transportOver };
