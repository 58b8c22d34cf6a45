import {
  isMCPDomainNotAllowedError,
  MCPDomainNotAllowedError,
  MCPInspectionFailedError,
  MCPTokenRefreshUnavailableError,
  MCPTokenStorageUnavailableError,
  OboTokenResolutionError,
  ReauthenticationRequiredError,
} from '../../index.js';

class Refused extends MCPDomainNotAllowedError {}

export function statusOf(error: unknown): 400 | 403 | undefined {
  if (isMCPDomainNotAllowedError(error)) return error.statusCode;
  if (error instanceof MCPInspectionFailedError) return error.statusCode;
  return undefined;
}

export const errors: Error[] = [
  new Refused('a.example'),
  new MCPInspectionFailedError('server', new Error('down')),
  new MCPTokenRefreshUnavailableError('server', new Error('away')),
  new MCPTokenStorageUnavailableError('server'),
  new OboTokenResolutionError('exchange_failed', 'No.', true),
  new ReauthenticationRequiredError('server', 'expired'),
];

// @ts-expect-error: not a reason
new ReauthenticationRequiredError('server', 'bored');
