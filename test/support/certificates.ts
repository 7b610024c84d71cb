import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A certificate and its private key in PEM form. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  /** What has to be trusted for its certificates to be. */
  readonly cert: string;
  /** @param hosts names and IPv4 addresses */
  issue(hosts: readonly string[], validity?: Validity): Identity;
}

interface Validity {
  readonly from: Date;
  readonly until: Date;
}

const HOUR_MS = 3_600_000;
const OID = {
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  commonName: [0x55, 0x04, 0x03],
  subjectAlternativeName: [0x55, 0x1d, 0x11],
  basicConstraints: [0x55, 0x1d, 0x13],
} as const;
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  dnsName: 0x82,
  ipAddress: 0x87,
} as const;
const SIGNATURE_ALGORITHM = der(TAG.sequence, der(TAG.objectId, Buffer.from(OID.ecdsaWithSha256)));

/** Makes an authority of certificates (X.509 v3, ECDSA P-256) that nobody trusts yet. */
export function anAuthority(): Authority {
  const keys = newKeys();
  const isAuthority = extension(OID.basicConstraints, der(TAG.sequence, der(TAG.boolean, Buffer.of(0xff))));
  const issuer = `Test authority ${randomBytes(4).toString('hex')}`;
  const cert = certificate(issuer, keys, issuer, keys.publicKey, isAuthority);
  return {
    cert,
    issue: (hosts, validity) => {
      const own = newKeys();
      const names = alternativeNames(hosts);
      return {
        cert: certificate(issuer, keys, 'Test server', own.publicKey, names, validity),
        key: pemOfKey(own),
      };
    },
  };
}

export function selfSigned(hosts: readonly string[]): Identity {
  const keys = newKeys();
  const names = alternativeNames(hosts);
  return {
    cert: certificate('Test server', keys, 'Test server', keys.publicKey, names),
    key: pemOfKey(keys),
  };
}

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function newKeys(): Keys {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pemOfKey({ privateKey }: Keys): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function certificate(
  issuer: string,
  issuerKeys: Keys,
  subject: string,
  publicKey: KeyObject,
  extensions: Buffer,
  validity: Validity = { from: new Date(Date.now() - HOUR_MS), until: new Date(Date.now() + HOUR_MS) },
): string {
  const toBeSigned = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, Buffer.of(2))),
    der(TAG.integer, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    SIGNATURE_ALGORITHM,
    name(issuer),
    der(TAG.sequence, time(validity.from), time(validity.until)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(TAG.sequence, extensions)),
  );
  const signature = sign('sha256', toBeSigned, issuerKeys.privateKey);
  const bytes = der(
    TAG.sequence,
    toBeSigned,
    SIGNATURE_ALGORITHM,
    der(TAG.bitString, Buffer.of(0), signature),
  );
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = hosts.map((host) =>
    isIPv4(host)
      ? der(TAG.ipAddress, Buffer.from(host.split('.').map(Number)))
      : der(TAG.dnsName, Buffer.from(host)),
  );
  return extension(OID.subjectAlternativeName, der(TAG.sequence, ...names));
}

function extension(oid: readonly number[], value: Buffer): Buffer {
  return der(TAG.sequence, der(TAG.objectId, Buffer.from(oid)), der(TAG.octetString, value));
}

function name(commonName: string): Buffer {
  const attribute = der(
    TAG.sequence,
    der(TAG.objectId, Buffer.from(OID.commonName)),
    der(TAG.utf8String, Buffer.from(commonName)),
  );
  return der(TAG.sequence, der(TAG.set, attribute));
}

/** `YYMMDDHHMMSSZ`, good until 2049. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(TAG.utcTime, Buffer.from(`${digits}Z`));
}

/** One element in the distinguished encoding of ASN.1: tag, length, content. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}
