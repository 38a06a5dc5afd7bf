import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Root, Type } from 'protobufjs';

export type Method = MethodDefinition<object, object>;

const FOLDER = fileURLToPath(new URL('../proto/', import.meta.url));
const PACKAGE = 'containerd.services';
/** 64-bit numbers and enumerations as text; what is absent has its default. */
const PLAIN = { longs: String, enums: String, defaults: true } as const;

/** What the .proto files say, each parsed when it is first needed: methods by path, messages by full name. */
export class Schema {
  readonly #root: Root;
  readonly #files = new Set<string>();
  readonly #methods = new Map<string, Method>();

  private constructor(root: Root) {
    this.#root = root;
  }

  /** One for all connections. The library is loaded with the first. */
  static load(): Promise<Schema> {
    Schema.#loaded ??= import('protobufjs').then(({ default: { Root } }) => new Schema(new Root()));
    return Schema.#loaded;
  }

  static #loaded: Promise<Schema> | undefined;

  /** `method('tasks.v1.Tasks', 'Create')` */
  method(service: string, name: string): Method {
    const path = `/${PACKAGE}.${service}/${name}`;
    const known = this.#methods.get(path);
    if (known !== undefined) return known;
    this.#read(service);
    const found = this.#root.lookupService(`${PACKAGE}.${service}`).methods[name];
    found?.resolve();
    const [request, response] = [found?.resolvedRequestType, found?.resolvedResponseType];
    if (!request || !response) throw new TypeError(`containerd's protocol has no method ${service}/${name} here`);
    const method: Method = {
      path,
      requestStream: found?.requestStream === true,
      responseStream: found?.responseStream === true,
      requestSerialize: (value) => encoded(request, value),
      requestDeserialize: (bytes) => decoded(request, bytes),
      responseSerialize: (value) => encoded(response, value),
      responseDeserialize: (bytes) => decoded(response, bytes),
    };
    this.#methods.set(path, method);
    return method;
  }

  encode(message: string, value: object): Buffer {
    return encoded(this.#type(message), value);
  }

  decode(message: string, bytes: Uint8Array): object {
    return decoded(this.#type(message), bytes);
  }

  /** The file is called as the name begins. */
  #read(name: string): void {
    const file = `${name.split('.', 1)[0]}.proto`;
    if (this.#files.has(file)) return;
    this.#root.loadSync(join(FOLDER, file));
    this.#files.add(file);
  }

  #type(message: string): Type {
    this.#read(message);
    const type = this.#root.lookup(message);
    if (type === null || !('encode' in type)) {
      throw new TypeError(`containerd's protocol has no message ${message} here`);
    }
    return type as Type;
  }
}

function encoded(type: Type, value: object): Buffer {
  const { buffer, byteOffset, byteLength } = type.encode(type.fromObject(value)).finish();
  return Buffer.from(buffer, byteOffset, byteLength);
}

function decoded(type: Type, bytes: Uint8Array): object {
  return type.toObject(type.decode(bytes), PLAIN);
}
