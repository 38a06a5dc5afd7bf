// The shapes that go over the wire, as etcd.proto names them. 64-bit numbers are decimal strings.

export interface WireHeader {
  readonly revision: string;
}

export interface WireKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly mod_revision: string;
}

export interface WireRange {
  readonly header: WireHeader;
  readonly kvs: readonly WireKeyValue[];
  readonly more: boolean;
}

export interface WireTxn {
  readonly header: WireHeader;
  readonly succeeded: boolean;
  readonly responses: readonly { readonly response_range?: WireRange }[];
}

export interface WireEvent {
  readonly type: 'PUT' | 'DELETE';
  readonly kv: WireKeyValue;
}

export interface WireWatch {
  readonly header: WireHeader;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly events: readonly WireEvent[];
}

export interface WireLease {
  readonly ID: string;
  readonly TTL: string;
}

export interface WireTimeToLive extends WireLease {
  readonly grantedTTL: string;
  readonly keys: readonly Buffer[];
}

export interface WireMember {
  readonly ID: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}
