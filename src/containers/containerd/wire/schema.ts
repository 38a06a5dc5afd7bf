import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition, PackageDefinition } from '@grpc/proto-loader';

export type Method = MethodDefinition<object, object>;

/** The parsed .proto files: methods by path, messages by full name. */
export class Schema {
  readonly #definitions: PackageDefinition;

  private constructor(definitions: PackageDefinition) {
    this.#definitions = definitions;
  }

  /** Parsing costs some 10 MB and 50 ms, so it happens on the first connection, once. */
  static load(): Promise<Schema> {
    Schema.#loaded ??= Schema.#parse();
    return Schema.#loaded;
  }

  static #loaded: Promise<Schema> | undefined;

  static async #parse(): Promise<Schema> {
    const folder = fileURLToPath(new URL('../proto/', import.meta.url));
    const files = (await readdir(folder)).filter((name) => name.endsWith('.proto')).sort();
    const { load } = await import('@grpc/proto-loader');
    const definitions = await load(files, {
      includeDirs: [folder],
      longs: String,
      enums: String,
      defaults: true,
    });
    return new Schema(definitions);
  }

  /** `method('tasks.v1.Tasks', 'Create')` */
  method(service: string, name: string): Method {
    const definition = this.#definitions[`containerd.services.${service}`];
    const method = definition && !('format' in definition) ? definition[name] : undefined;
    if (!method) throw new TypeError(`containerd's protocol has no method ${service}/${name} here`);
    return method as Method;
  }

  encode(message: string, value: object): Buffer {
    return this.#message(message).serialize(value);
  }

  decode(message: string, bytes: Uint8Array): object {
    return this.#message(message).deserialize(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  #message(name: string): { serialize(value: object): Buffer; deserialize(bytes: Buffer): object } {
    const definition = this.#definitions[name];
    if (!definition || !('serialize' in definition) || typeof definition.serialize !== 'function') {
      throw new TypeError(`containerd's protocol has no message ${name} here`);
    }
    return definition as { serialize(value: object): Buffer; deserialize(bytes: Buffer): object };
  }
}
