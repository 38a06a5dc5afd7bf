import { readFile } from 'node:fs/promises';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Root, Type } from 'protobufjs';

export type Method = MethodDefinition<object, object>;

const PACKAGE = 'etcdserverpb';
/** 64-bit numbers and enumerations as text; what is absent has its default. */
const PLAIN = { longs: String, enums: String, defaults: true } as const;

/** The parsed .proto file: etcd's methods by service and name. */
export class Schema {
  readonly #root: Root;
  readonly #methods = new Map<string, Method>();

  private constructor(root: Root) {
    this.#root = root;
  }

  /** Parsed on the first use, once. */
  static load(): Promise<Schema> {
    Schema.#loaded ??= Schema.#parse();
    return Schema.#loaded;
  }

  static #loaded: Promise<Schema> | undefined;

  static async #parse(): Promise<Schema> {
    const text = await readFile(new URL('etcd.proto', import.meta.url), 'utf8');
    const { default: protobuf } = await import('protobufjs');
    return new Schema(protobuf.parse(text, { keepCase: true }).root);
  }

  /** `method('KV', 'Txn')` */
  method(service: string, name: string): Method {
    const path = `/${PACKAGE}.${service}/${name}`;
    const known =
      this.#methods.get(path) ?? this.#define(path, this.#root.lookupService(`${PACKAGE}.${service}`).methods[name]);
    this.#methods.set(path, known);
    return known;
  }

  #define(path: string, found: ReturnType<Root['lookupService']>['methods'][string] | undefined): Method {
    found?.resolve();
    const [request, response] = [found?.resolvedRequestType, found?.resolvedResponseType];
    if (!found || !request || !response) throw new TypeError(`etcd's protocol has no method ${path} here`);
    return {
      path,
      requestStream: found.requestStream === true,
      responseStream: found.responseStream === true,
      requestSerialize: (value) => encoded(request, value),
      requestDeserialize: (bytes) => decoded(request, bytes),
      responseSerialize: (value) => encoded(response, value),
      responseDeserialize: (bytes) => decoded(response, bytes),
    };
  }
}

function encoded(type: Type, value: object): Buffer {
  const { buffer, byteOffset, byteLength } = type.encode(type.fromObject(value)).finish();
  return Buffer.from(buffer, byteOffset, byteLength);
}

function decoded(type: Type, bytes: Uint8Array): object {
  return type.toObject(type.decode(bytes), PLAIN);
}
