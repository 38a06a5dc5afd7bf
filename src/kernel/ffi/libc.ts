import koffi from 'koffi';

/** What the folder calls. Integers are C ints; sizes are passed as numbers far below 2^53. */
interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: null, length: null, flags: number): number;
  shutdown(fd: number, how: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  send: {
    (fd: number, data: Uint8Array, length: number, flags: number): number;
    async(
      fd: number,
      data: Uint8Array,
      length: number,
      flags: number,
      done: (error: Error | null, sent: number) => void,
    ): void;
  };
  sendto(fd: number, data: Uint8Array, length: number, flags: number, to: Uint8Array, toLength: number): number;
  recv(fd: number, data: Uint8Array, length: number, flags: number): number;
  sendmsg(fd: number, header: Uint8Array, flags: number): number;
  recvmsg(fd: number, header: Uint8Array, flags: number): number;
  sendmmsg(fd: number, headers: Uint8Array, count: number, flags: number): number;
  recvmmsg(fd: number, headers: Uint8Array, count: number, flags: number, timeout: null): number;
  /** Returns `to` as a number; with nothing to copy that is all it does. */
  memcpy(to: Uint8Array, from: Uint8Array, length: number): number | bigint;
  fcntl(fd: number, command: number, argument: number): number;
  open(path: string, flags: number, mode: number): number;
  close(fd: number): number;
  setns(fd: number, kind: number): number;
  unshare(flags: number): number;
  mount(
    source: string | null,
    target: string,
    type: string | null,
    flags: bigint | number,
    data: string | null,
  ): number;
  umount2(target: string, flags: number): number;
  if_nametoindex(name: string): number;
  mkfifo(path: string, mode: number): number;
  mknod(path: string, mode: number, device: bigint): number;
  lgetxattr(path: string, name: string, value: Uint8Array, size: number): number;
  llistxattr(path: string, names: Uint8Array, size: number): number;
  lsetxattr(path: string, name: string, value: Uint8Array, size: number, flags: number): number;
  pipe2(ends: Int32Array, flags: number): number;
  splice(from: number, fromOffset: null, to: number, toOffset: null, length: number, flags: number): number;
  tee(from: number, to: number, length: number, flags: number): number;
  ioctl(fd: number, request: number, argument: Int32Array): number;
  eventfd(initial: number, flags: number): number;
  malloc_trim(keep: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  epoll_wait: {
    (epoll: number, events: Uint8Array, count: number, timeout: number): number;
    async(
      epoll: number,
      events: Uint8Array,
      count: number,
      timeout: number,
      done: (error: Error | null, count: number) => void,
    ): void;
  };
  socketpair(domain: number, type: number, protocol: number, ends: Int32Array): number;
  syscall(number: number, first: number, second: Uint8Array | null, third: number): number;
}

const PROTOTYPES: Readonly<Record<keyof Libc, string>> = {
  socket: 'int socket(int, int, int)',
  bind: 'int bind(int, const void *, uint32_t)',
  connect: 'int connect(int, const void *, uint32_t)',
  listen: 'int listen(int, int)',
  accept4: 'int accept4(int, void *, void *, int)',
  shutdown: 'int shutdown(int, int)',
  getsockname: 'int getsockname(int, void *, void *)',
  getsockopt: 'int getsockopt(int, int, int, void *, void *)',
  setsockopt: 'int setsockopt(int, int, int, const void *, uint32_t)',
  send: 'long send(int, const void *, ulong, int)',
  sendto: 'long sendto(int, const void *, ulong, int, const void *, uint32_t)',
  recv: 'long recv(int, void *, ulong, int)',
  sendmsg: 'long sendmsg(int, const void *, int)',
  recvmsg: 'long recvmsg(int, void *, int)',
  sendmmsg: 'int sendmmsg(int, void *, uint32_t, int)',
  recvmmsg: 'int recvmmsg(int, void *, uint32_t, int, void *)',
  memcpy: 'uint64_t memcpy(void *, const void *, ulong)',
  // Variadic in C; with one integer argument the calling conventions of x86-64 and arm64 Linux are the same.
  fcntl: 'int fcntl(int, int, long)',
  open: 'int open(const char *, int, int)',
  close: 'int close(int)',
  setns: 'int setns(int, int)',
  unshare: 'int unshare(int)',
  mount: 'int mount(const char *, const char *, const char *, ulong, const char *)',
  umount2: 'int umount2(const char *, int)',
  if_nametoindex: 'uint32_t if_nametoindex(const char *)',
  mkfifo: 'int mkfifo(const char *, uint32_t)',
  mknod: 'int mknod(const char *, uint32_t, uint64_t)',
  lgetxattr: 'long lgetxattr(const char *, const char *, void *, ulong)',
  llistxattr: 'long llistxattr(const char *, void *, ulong)',
  lsetxattr: 'int lsetxattr(const char *, const char *, const void *, ulong, int)',
  pipe2: 'int pipe2(void *, int)',
  splice: 'long splice(int, void *, int, void *, ulong, uint32_t)',
  tee: 'long tee(int, int, ulong, uint32_t)',
  // Variadic in C, as fcntl.
  ioctl: 'int ioctl(int, ulong, void *)',
  eventfd: 'int eventfd(uint32_t, int)',
  malloc_trim: 'int malloc_trim(ulong)',
  epoll_create1: 'int epoll_create1(int)',
  epoll_ctl: 'int epoll_ctl(int, int, int, void *)',
  epoll_wait: 'int epoll_wait(int, void *, int, int)',
  socketpair: 'int socketpair(int, int, int, void *)',
  // Variadic in C as well; a call takes as many of them as it has arguments.
  syscall: 'long syscall(long, long, const void *, long)',
};

let loaded: Libc | undefined;

/** The C library, bound at the first use so that programs which never meet the kernel pay nothing. */
export function libc(): Libc {
  if (loaded !== undefined) return loaded;
  const library = koffi.load('libc.so.6');
  const bound = Object.fromEntries(Object.entries(PROTOTYPES).map(([name, text]) => [name, library.func(text)]));
  // Safe: PROTOTYPES has exactly the keys of Libc, and each text is the C declaration of the type beside it.
  loaded = bound as unknown as Libc;
  return loaded;
}
