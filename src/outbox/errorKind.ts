/**
 * Every kind of error that an attempt can end with when there was no answer that could be judged, and what it
 * means. The list is closed: rows, logs and the API hold no other.
 */
export const ERROR_KINDS = {
  address_refused: 'the address, or one that the name resolves to, is private or special and not allowed',
  dns: 'the host name has no address, or no name server told it',
  connection_refused: 'nobody listens at the address',
  connection_reset: 'the connection ended before the answer was complete',
  connection_failed: 'no connection could be made, for another reason',
  unreachable: 'there is no route to the address',
  tls: 'TLS failed: the certificate is not valid for the host, or the other side does not speak TLS',
  proxy: 'the forward proxy could not be reached, or refused to connect',
  timeout: 'there was no complete answer in time',
  invalid_response: 'the answer was not proper HTTP or SMTP, or its headers were too long',
  unsendable: 'the email could not be made or sent as it is',
  authentication: 'the SMTP server did not accept the login',
  not_configured: 'there is no SMTP server in the configuration',
  fire_missing: 'the fire is not stored any more',
  sequence_missing: 'the sequence is not known any more',
  aborted: 'the program went down in the midst of the attempt',
  internal: 'anything else, which points to this program or its machine',
} as const;

export type ErrorKind = keyof typeof ERROR_KINDS;
