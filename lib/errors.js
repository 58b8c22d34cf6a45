/**
 * Error classes for hosts that throw LibreChat's errors themselves, and guards that know them by `name` and `code`, so
 * that an error of another realm or of another copy of this package is known too. The runtime's own errors of these
 * kinds become instances of the classes. `index.d.ts` describes them.
 */

/** An error with a name and a code of its own, and with those of `members` that are given. */
function describe(error, name, code, { cause, ...members } = {}) {
  Object.assign(error, { name, code, ...members });
  if (cause !== undefined && cause !== null) error.cause = cause;
}

class MCPDomainNotAllowedError extends Error {
  constructor(domain) {
    super(`Domain "${domain}" is not allowed`);
    describe(this, 'MCPDomainNotAllowedError', 'MCP_DOMAIN_NOT_ALLOWED', { statusCode: 403, domain });
  }
}

class MCPInspectionFailedError extends Error {
  constructor(serverName, cause) {
    super(`Failed to connect to MCP server "${serverName}"`);
    describe(this, 'MCPInspectionFailedError', 'MCP_INSPECTION_FAILED', { statusCode: 400, serverName, cause });
  }
}

class MCPTokenRefreshUnavailableError extends Error {
  constructor(serverName, cause) {
    super(`OAuth token refresh is temporarily unavailable for "${serverName}"`);
    describe(this, 'MCPTokenRefreshUnavailableError', 'MCP_TOKEN_REFRESH_UNAVAILABLE', { retryable: true, cause });
  }
}

class MCPTokenStorageUnavailableError extends Error {
  constructor(serverName, cause) {
    super(`OAuth token storage is unavailable for "${serverName}"`);
    describe(this, 'MCPTokenStorageUnavailableError', 'MCP_TOKEN_STORAGE_UNAVAILABLE', { retryable: true, cause });
  }
}

const OBO_CODES = {
  missing_upstream_provider: 'OBO_MISSING_UPSTREAM_PROVIDER',
  missing_upstream_token: 'OBO_MISSING_UPSTREAM_TOKEN',
  missing_upstream_access_token: 'OBO_MISSING_UPSTREAM_TOKEN',
  session_refresh_failed: 'OBO_SESSION_REFRESH_FAILED',
};

class OboTokenResolutionError extends Error {
  constructor(reason, userMessage, retryable, cause) {
    super(userMessage);
    const code = Object.hasOwn(OBO_CODES, reason) ? OBO_CODES[reason] : 'OBO_EXCHANGE_FAILED';
    describe(this, 'OboTokenResolutionError', code, { reason, retryable: Boolean(retryable), userMessage, cause });
  }
}

const REASONS = {
  invalid_client: 'stored client registration is no longer valid',
  binding: 'stored OAuth binding metadata is missing or no longer valid',
};

class ReauthenticationRequiredError extends Error {
  constructor(serverName, reason) {
    const why = Object.hasOwn(REASONS, reason)
      ? REASONS[reason]
      : `access token ${reason} and no refresh token available`;
    super(`Re-authentication required for "${serverName}": ${why}`);
    describe(this, 'ReauthenticationRequiredError', 'MCP_REAUTHENTICATION_REQUIRED');
  }
}

const isNamed = (error, name) => typeof error === 'object' && error !== null && error.name === name;

function isMCPDomainNotAllowedError(error) {
  return isNamed(error, 'MCPDomainNotAllowedError') && error.code === 'MCP_DOMAIN_NOT_ALLOWED';
}

function isMCPInspectionFailedError(error) {
  return isNamed(error, 'MCPInspectionFailedError') && error.code === 'MCP_INSPECTION_FAILED';
}

function isMCPTokenRefreshUnavailableError(error) {
  return isNamed(error, 'MCPTokenRefreshUnavailableError') && error.code === 'MCP_TOKEN_REFRESH_UNAVAILABLE';
}

function isMCPTokenStorageUnavailableError(error) {
  return isNamed(error, 'MCPTokenStorageUnavailableError') && error.code === 'MCP_TOKEN_STORAGE_UNAVAILABLE';
}

function isOboTokenResolutionError(error) {
  return isNamed(error, 'OboTokenResolutionError') && String(error.code).startsWith('OBO_');
}

function isReauthenticationRequiredError(error) {
  return isNamed(error, 'ReauthenticationRequiredError') && error.code === 'MCP_REAUTHENTICATION_REQUIRED';
}

exports.MCPDomainNotAllowedError = MCPDomainNotAllowedError;
exports.MCPInspectionFailedError = MCPInspectionFailedError;
exports.MCPTokenRefreshUnavailableError = MCPTokenRefreshUnavailableError;
exports.MCPTokenStorageUnavailableError = MCPTokenStorageUnavailableError;
exports.OboTokenResolutionError = OboTokenResolutionError;
exports.ReauthenticationRequiredError = ReauthenticationRequiredError;
exports.isMCPDomainNotAllowedError = isMCPDomainNotAllowedError;
exports.isMCPInspectionFailedError = isMCPInspectionFailedError;
exports.isMCPTokenRefreshUnavailableError = isMCPTokenRefreshUnavailableError;
exports.isMCPTokenStorageUnavailableError = isMCPTokenStorageUnavailableError;
exports.isOboTokenResolutionError = isOboTokenResolutionError;
exports.isReauthenticationRequiredError = isReauthenticationRequiredError;
