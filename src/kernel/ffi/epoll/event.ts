/** struct epoll_event, in bytes. It is packed on x86-64 only; a token is in the first half of `data`. */
export const EPOLL_EVENT = process.arch === 'x64' ? { size: 12, data: 4 } : { size: 16, data: 8 };
