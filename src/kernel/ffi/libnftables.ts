import koffi, { type LibraryHandle } from 'koffi';
import { UnsupportedError } from '../../base/index.ts';
import { SystemError } from './errors.ts';
import { reserveLowDescriptors, withLowDescriptor } from './fd.ts';
import { withoutSignals } from './process.ts';

/** An address in C memory: a number to us, never looked into. */
type Pointer = bigint & { readonly __pointer: unique symbol };

interface Bindings {
  newContext(flags: number): Pointer | null;
  freeContext(context: Pointer): void;
  bufferOutput(context: Pointer): number;
  bufferError(context: Pointer): number;
  setOutputFlags(context: Pointer, flags: number): void;
  run(context: Pointer, commands: string): number;
  output(context: Pointer): string | null;
  error(context: Pointer): string | null;
}

let loaded: Bindings | undefined;

function bindings(): Bindings {
  if (loaded !== undefined) return loaded;
  const library = loadLibrary();
  // Safe: the declarations are those of nftables/libnftables.h, whose ABI (libnftables.so.1) is stable since 0.9.
  loaded = {
    newContext: library.func('void *nft_ctx_new(uint32_t)'),
    freeContext: library.func('void nft_ctx_free(void *)'),
    bufferOutput: library.func('int nft_ctx_buffer_output(void *)'),
    bufferError: library.func('int nft_ctx_buffer_error(void *)'),
    setOutputFlags: library.func('void nft_ctx_output_set_flags(void *, uint32_t)'),
    run: library.func('int nft_run_cmd_from_buffer(void *, const char *)'),
    output: library.func('const char *nft_ctx_get_output_buffer(void *)'),
    error: library.func('const char *nft_ctx_get_error_buffer(void *)'),
  };
  return loaded;
}

function loadLibrary(): LibraryHandle {
  try {
    return koffi.load('libnftables.so.1');
  } catch (error) {
    throw new UnsupportedError(
      'cannot load libnftables.so.1: install the package libnftables1',
      'libnftables.so.1',
      error,
    );
  }
}

export interface NftResult {
  readonly ok: boolean;
  readonly output: string;
  readonly error: string;
}

/** One `nft_ctx`. It works in the network namespace the thread is in when it is made. */
export class NftContext implements Disposable {
  readonly #bindings = bindings();
  #context: Pointer | undefined;

  constructor() {
    // The library waits for its one socket with select(). Safe: takes no pointers; NULL means out of memory or no netlink socket.
    const context = withLowDescriptor(() => this.#bindings.newContext(0));
    if (context === null) throw new SystemError('ENOMEM', { syscall: 'nft_ctx_new', action: 'open nftables' });
    this.#context = context;
    // Safe: the context is live. From here on the library prints into its own buffers, never to our stdout.
    const failed = this.#bindings.bufferOutput(context) + this.#bindings.bufferError(context);
    if (failed !== 0) {
      this.close();
      throw new SystemError('ENOMEM', { syscall: 'nft_ctx_buffer_output', action: 'open nftables' });
    }
  }

  /** Runs a script as one transaction. */
  run(commands: string, outputFlags = 0): NftResult {
    const context = this.#context;
    if (context === undefined) throw new SystemError('EBADF', { syscall: 'nft_run_cmd_from_buffer' });
    // Safe: the context is live, the script is copied for the time of the call, and koffi copies both result strings
    // before the next call could free them.
    this.#bindings.setOutputFlags(context, outputFlags);
    // A signal while the library waits for the kernel's answer would make it call a transaction failed that was done.
    const status = withoutSignals(() => this.#bindings.run(context, commands));
    const output = this.#bindings.output(context) ?? '';
    const error = this.#bindings.error(context) ?? '';
    return { ok: status === 0, output, error };
  }

  close(): void {
    const context = this.#context;
    this.#context = undefined;
    // Safe: freed exactly once, because the field was cleared before.
    if (context === undefined) return;
    this.#bindings.freeContext(context);
    reserveLowDescriptors();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
