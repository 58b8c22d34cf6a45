/** What is longer is neither written nor read: who else writes into this Redis may not fill the process's memory. */
const MAX_BYTES = 1024 * 1024;

/** Names and values are not repeated in errors: they may be secrets. */
function requireText(what, value) {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${what} must be a string that is not empty`);
}

function requireMilliseconds(what, value, least = 1) {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${what} must be a whole number of milliseconds from ${least}`);
  }
}

function requireCount(what, value) {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${what} must be a whole number from 1`);
}

function requireShort(what, text) {
  if (Buffer.byteLength(text) > MAX_BYTES) throw new RangeError(`${what} must not be longer than ${MAX_BYTES} bytes`);
}

/** A text that is to be kept for so long. */
function requireValue(operation, value, ttlMs) {
  requireText(`${operation}: the value`, value);
  requireShort(`${operation}: the value`, value);
  requireMilliseconds(`${operation}: ttlMs`, ttlMs);
}

module.exports = { MAX_BYTES, requireCount, requireMilliseconds, requireShort, requireText, requireValue };
