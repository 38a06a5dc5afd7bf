import { SystemError } from '../../kernel/ffi/errors.ts';
import { libc } from '../../kernel/ffi/libc.ts';
import { NftContext } from '../../kernel/ffi/libnftables.ts';
import { NetlinkError } from '../../kernel/netlink/core/errors.ts';
import { type BatchFailure, NetlinkSocket } from '../../kernel/netlink/core/socket.ts';
import type { Store } from '../../model/index.ts';

/** System calls that change something. `setns` is not among them: a thread that cannot come home ends the process. */
const CALLS = ['socket', 'bind', 'listen', 'open', 'mount', 'umount2', 'unshare'] as const;

type Call = (this: unknown, ...args: readonly unknown[]) => unknown;

/**
 * Lets the n-th call that leaves the process fail: changes by netlink (each of a batch) and nftables, system calls, commits to the store. Works on
 * the real ones, by standing between; undone by disposal.
 */
export class KernelFaults implements Disposable {
  readonly #undo = new DisposableStack();
  #left = Number.POSITIVE_INFINITY;
  #dead = false;
  #dies = false;
  #struck: string | undefined;

  constructor() {
    this.#stand(NetlinkSocket.prototype, 'change', (_message, action) => `netlink: ${String(action)}`);
    this.#standInBatches();
    this.#stand(NftContext.prototype, 'run', () => 'nftables');
    const calls = libc();
    for (const name of CALLS) this.#stand(calls, name, () => name);
  }

  /** What failed. */
  get struck(): string | undefined {
    return this.#struck;
  }

  /** 0: the next call fails. `dies`: and every later one, as when the process is killed there. */
  arm(calls: number, { dies }: { readonly dies: boolean }): void {
    this.#left = calls;
    this.#dies = dies;
    this.#dead = false;
    this.#struck = undefined;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
    this.#dead = false;
  }

  /** Commits count as well. */
  wrap(store: Store): Store {
    return new Proxy(store, {
      get: (object, key) => {
        const value: unknown = Reflect.get(object, key, object);
        if (key !== 'commit' || typeof value !== 'function') {
          return typeof value === 'function' ? value.bind(object) : value;
        }
        return async (...args: readonly unknown[]): Promise<unknown> => {
          this.#count('store');
          return Reflect.apply(value, object, args);
        };
      },
    });
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
  }

  #stand<T extends object>(target: T, key: keyof T & string, nameOf: (...args: readonly unknown[]) => string): void {
    const faults = this;
    this.#replace(target, key, (real) => {
      return function (this: unknown, ...args: readonly unknown[]): unknown {
        faults.#count(nameOf(...args));
        return Reflect.apply(real, this, args);
      };
    });
  }

  /** The kernel goes on after a request of a batch that it refuses; a process that is killed there has sent those before. */
  #standInBatches(): void {
    const faults = this;
    this.#replace(NetlinkSocket.prototype, 'changeAll', (real) => {
      return function (this: unknown, ...args: readonly unknown[]): unknown {
        const [messages, action] = args as Parameters<NetlinkSocket['changeAll']>;
        const send = (some: typeof messages): readonly BatchFailure[] =>
          some.length === 0 ? [] : (Reflect.apply(real, this, [some, action]) as readonly BatchFailure[]);
        for (let index = 0; index < messages.length; index += 1) {
          try {
            faults.#count(`netlink: ${action}, ${index}`);
          } catch (error) {
            const failures = send(messages.slice(0, index));
            if (faults.#dead) throw error;
            const struck = { index, error: new NetlinkError('EIO', action) };
            const rest = send(messages.slice(index + 1));
            return [...failures, struck, ...rest.map((one) => ({ ...one, index: one.index + index + 1 }))];
          }
        }
        return send(messages);
      };
    });
  }

  #replace<T extends object>(target: T, key: keyof T & string, stand: (real: Call) => Call): void {
    const real = target[key] as Call;
    Object.defineProperty(target, key, { value: stand(real), configurable: true, writable: true });
    this.#undo.defer(() => Object.defineProperty(target, key, { value: real, configurable: true, writable: true }));
  }

  #count(call: string): void {
    if (this.#dead) throw new SystemError('EIO', { syscall: call, action: `go on after death, at ${call}` });
    if (this.#left > 0) {
      this.#left -= 1;
      return;
    }
    this.#left = Number.POSITIVE_INFINITY;
    this.#dead = this.#dies;
    this.#struck = call;
    throw new SystemError('EIO', { syscall: call, action: `do what a fault forbids: ${call}` });
  }
}
