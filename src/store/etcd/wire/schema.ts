import { fileURLToPath } from 'node:url';
import type { MethodDefinition, PackageDefinition } from '@grpc/proto-loader';

export type Method = MethodDefinition<object, object>;

/** The parsed .proto file. */
export class Schema {
  readonly #definitions: PackageDefinition;

  private constructor(definitions: PackageDefinition) {
    this.#definitions = definitions;
  }

  /** Parsed on the first use, once. */
  static load(): Promise<Schema> {
    Schema.#loaded ??= Schema.#parse();
    return Schema.#loaded;
  }

  static #loaded: Promise<Schema> | undefined;

  static async #parse(): Promise<Schema> {
    const { load } = await import('@grpc/proto-loader');
    const path = fileURLToPath(new URL('etcd.proto', import.meta.url));
    return new Schema(await load(path, { keepCase: true, longs: String, enums: String, defaults: true }));
  }

  /** `method('KV', 'Txn')` */
  method(service: string, name: string): Method {
    const definition = this.#definitions[`etcdserverpb.${service}`];
    const method = definition && !('format' in definition) ? definition[name] : undefined;
    if (!method) throw new TypeError(`etcd's protocol has no method ${service}/${name} here`);
    return method as Method;
  }
}
