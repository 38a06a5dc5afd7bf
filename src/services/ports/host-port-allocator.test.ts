import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Ip, newId, parseIp } from '../../base/index.ts';
import { SystemError } from '../../kernel/index.ts';
import type { PortRequest, PublishedPort } from '../../model/index.ts';
import { type BoundSocket, HostPortAllocator, type HostPortDeps } from './host-port-allocator.ts';

const owner = newId();

/** Sockets as the kernel keeps them, as far as it matters here; `foreign` are bound by other processes. */
class FakeSockets {
  readonly open = new Map<number, string>();
  readonly foreign = new Set<string>();
  failure: string | undefined;

  readonly deps: HostPortDeps = {
    holdPort: ({ protocol, ip, port, v6only }) => {
      if (this.failure !== undefined) throw new SystemError(this.failure, { syscall: 'bind' });
      const name = `${protocol} ${ip} ${port}${ip === '::' && v6only !== true ? ' dual' : ''}`;
      if (this.foreign.has(`${protocol} ${port}`)) throw new SystemError('EADDRINUSE', { syscall: 'bind' });
      return this.#socket(name);
    },
    isBound: (fd) => this.open.has(fd),
    allowLingering: () => {},
    ephemeralPorts: () => ({ first: 32_768, last: 32_771, reserved: [{ first: 32_769, last: 32_769 }] }),
    descriptorLimit: () => 100,
  };

  get names(): string[] {
    return [...this.open.values()];
  }

  #socket(name: string): BoundSocket {
    let fd = 3;
    while (this.open.has(fd)) fd += 1;
    this.open.set(fd, name);
    const close = (): void => {
      this.open.delete(fd);
    };
    let closed = false;
    return {
      fd,
      get closed() {
        return closed;
      },
      close: () => {
        closed = true;
        close();
      },
      release: () => {
        closed = true;
        return fd;
      },
    };
  }
}

function setUp(): { sockets: FakeSockets; ports: HostPortAllocator } {
  const sockets = new FakeSockets();
  return { sockets, ports: new HostPortAllocator(sockets.deps) };
}

function request(hostPort?: number | [number, number], more: Partial<PortRequest> = {}): PortRequest {
  const base = { protocol: 'tcp' as const, containerPort: 80, ...more };
  if (hostPort === undefined) return base;
  const [first, last] = typeof hostPort === 'number' ? [hostPort, hostPort] : hostPort;
  return { ...base, hostPorts: { first, last } };
}

function texts(published: readonly PublishedPort[]): string[] {
  return published.map(({ protocol, hostIp, hostPort }) => `${hostIp} ${hostPort}/${protocol}`);
}

const at = (hostIp: string): { hostIp: Ip } => ({ hostIp: parseIp(hostIp) });

describe('holding host ports', () => {
  it('holds both wildcards by one socket', () => {
    const { sockets, ports } = setUp();
    const held = ports.hold(owner, [request(8080)]);
    assert.deepEqual(texts(held.published), ['0.0.0.0 8080/tcp', ':: 8080/tcp']);
    assert.deepEqual(sockets.names, ['tcp :: 8080 dual']);
    held.release();
    held.release();
    assert.deepEqual(sockets.names, []);
  });

  it('holds one address when one is named', () => {
    const { sockets, ports } = setUp();
    const held = ports.hold(owner, [request(8080, at('127.0.0.1')), request(8080, at('::1'))]);
    assert.deepEqual(texts(held.published), ['127.0.0.1 8080/tcp', '::1 8080/tcp']);
    assert.deepEqual(sockets.names, ['tcp 127.0.0.1 8080', 'tcp ::1 8080']);
  });

  it('refuses what overlaps, with the text that clients look for', () => {
    const { ports } = setUp();
    ports.hold(owner, [request(8080), request(9090, at('127.0.0.1'))]);
    const refused = (wanted: PortRequest, text: string): void =>
      assert.throws(() => ports.hold(owner, [wanted]), {
        message: `Bind for ${text} failed: port is already allocated`,
      });
    refused(request(8080), '0.0.0.0:8080');
    refused(request(8080, at('192.0.2.1')), '192.0.2.1:8080');
    refused(request(8080, at('::1')), '::1:8080');
    refused(request(9090), '0.0.0.0:9090');
    ports.hold(owner, [request(9090, at('127.0.0.2')), request(9090, at('::1'))]);
    ports.hold(owner, [request(8080, { protocol: 'udp' })]);
  });

  it('frees a port for the next', () => {
    const { ports } = setUp();
    ports.hold(owner, [request(8080)]).release();
    ports.hold(owner, [request(8080, at('127.0.0.1'))]);
  });

  it('holds all of a call or nothing', () => {
    const { sockets, ports } = setUp();
    assert.throws(() => ports.hold(owner, [request(8080), request(8081), request(8080)]), /already allocated/);
    assert.deepEqual(sockets.names, []);
    ports.hold(owner, [request(8081)]);
  });

  it('says when another process has the port, or the address is not ours', () => {
    const { sockets, ports } = setUp();
    sockets.foreign.add('tcp 8080');
    assert.throws(() => ports.hold(owner, [request(8080)]), {
      message: 'failed to bind host port for 0.0.0.0:8080/tcp: address already in use',
    });
    sockets.failure = 'EADDRNOTAVAIL';
    assert.throws(() => ports.hold(owner, [request(8080, at('2001:db8::1'))]), {
      message: 'failed to bind host port for [2001:db8::1]:8080/tcp: cannot assign requested address',
    });
  });
});

describe('ports that are not held any more', () => {
  it('are told and held again: one that was taken at the restart, and one whose socket has gone', () => {
    const { sockets, ports } = setUp();
    const before = ports.hold(owner, [request(8080), request(8081)]);
    const published = before.published;
    before.release();
    sockets.foreign.add('tcp 8080');
    const held = ports.restore(owner, published);
    assert.deepEqual(texts(held.unheld()), ['0.0.0.0 8080/tcp', ':: 8080/tcp']);
    assert.deepEqual(texts(held.reclaim()), ['0.0.0.0 8080/tcp', ':: 8080/tcp']);
    assert.deepEqual(texts(held.published), ['0.0.0.0 8081/tcp', ':: 8081/tcp']);
    sockets.foreign.clear();
    sockets.open.clear();
    assert.equal(held.unheld().length, 4);
    assert.deepEqual(held.reclaim(), []);
    assert.deepEqual(held.unheld(), []);
    assert.deepEqual(sockets.names, ['tcp :: 8080 dual', 'tcp :: 8081 dual']);
    assert.equal(held.published.length, 4);
    held.release();
    assert.deepEqual(sockets.names, []);
  });
});

describe('choosing host ports', () => {
  it('goes through the ephemeral range, past reserved and taken ones, and round again', () => {
    const { sockets, ports } = setUp();
    const one = ports.hold(owner, [request()]);
    sockets.foreign.add('tcp 32770');
    const two = ports.hold(owner, [request()]);
    assert.deepEqual(
      [...texts(one.published), ...texts(two.published)].filter((text) => text.startsWith('0')),
      ['0.0.0.0 32768/tcp', '0.0.0.0 32771/tcp'],
    );
    one.release();
    assert.equal(ports.hold(owner, [request()]).published[0]?.hostPort, 32_768);
    assert.throws(() => ports.hold(owner, [request()]), { message: 'all ports are allocated' });
  });

  it('takes the first free one of a given range', () => {
    const { ports } = setUp();
    const held = ports.hold(owner, [request([8000, 8001]), request([8000, 8001])]);
    assert.deepEqual(
      held.published.map((port) => port.hostPort),
      [8000, 8000, 8001, 8001],
    );
    assert.throws(() => ports.hold(owner, [request([8000, 8001])]), {
      message: 'Bind for 0.0.0.0:8001 failed: port is already allocated',
    });
  });

  it('counts protocols apart', () => {
    const { ports } = setUp();
    const held = ports.hold(owner, [request(), request(undefined, { protocol: 'udp' })]);
    assert.ok(held.published.every((port) => port.hostPort === 32_768));
  });
});

describe('running out of descriptors', () => {
  it('is refused clearly while some are left, and holds nothing of the call', () => {
    const { sockets, ports } = setUp();
    const requests = Array.from({ length: 90 }, (_, index) => request(1000 + index));
    assert.throws(() => ports.hold(owner, requests), { code: 'too_many_ports', message: /limit 100/ });
    assert.deepEqual(sockets.names, []);
  });

  it('is told as such when the kernel says it first', () => {
    const { sockets, ports } = setUp();
    sockets.failure = 'EMFILE';
    assert.throws(() => ports.hold(owner, [request(8080)]), { code: 'too_many_ports' });
  });

  it('is told apart from a kernel without IPv6', () => {
    const sockets = new FakeSockets();
    const ports = new HostPortAllocator({
      ...sockets.deps,
      holdPort: (held) => {
        if (held.ip.includes(':')) throw new SystemError('EAFNOSUPPORT', { syscall: 'socket' });
        return sockets.deps.holdPort(held);
      },
    });
    assert.deepEqual(texts(ports.hold(owner, [request(8080)]).published), ['0.0.0.0 8080/tcp']);
  });
});

describe('after a restart', () => {
  it('holds exactly what there was, in as many sockets', () => {
    const { sockets, ports } = setUp();
    const first = ports.hold(owner, [request(8080), request(53, { protocol: 'udp', ...at('127.0.0.1') })]);
    const before = sockets.names;
    first.release();
    const again = ports.restore(owner, first.published);
    assert.deepEqual(sockets.names, before);
    assert.deepEqual(again.published, first.published);
    assert.deepEqual(again.lost, []);
  });

  it('reports what was lost and keeps the rest', () => {
    const { sockets, ports } = setUp();
    const first = ports.hold(owner, [request(8080), request(8081)]);
    first.release();
    sockets.foreign.add('tcp 8080');
    const again = ports.restore(owner, [...first.published, { ...request(1), hostPort: 0, ...at('0.0.0.0') }]);
    assert.deepEqual(texts(again.lost ?? []), ['0.0.0.0 8080/tcp', ':: 8080/tcp']);
    assert.deepEqual(texts(again.published), ['0.0.0.0 8081/tcp', ':: 8081/tcp']);
  });
});

describe('taking a socket over', () => {
  it('works by either address, again only when the first is closed, and leaves the port allocated', () => {
    const { sockets, ports } = setUp();
    const held = ports.hold(owner, [request(8080)]);
    const [four, six] = held.published;
    assert.ok(four !== undefined && six !== undefined);
    assert.deepEqual(ports.takeSocket(six), { fd: 3, family: 6 });
    sockets.foreign.add('tcp 8080');
    assert.equal(ports.takeSocket(four), undefined);
    sockets.foreign.clear();
    sockets.open.clear();
    assert.deepEqual(ports.takeSocket(four), { fd: 3, family: 6 });
    assert.throws(() => ports.hold(owner, [request(8080)]), /already allocated/);
    held.release();
    assert.deepEqual(sockets.names, ['tcp :: 8080 dual'], 'the descriptor is not ours any more');
    assert.equal(ports.takeSocket(six), undefined);
  });
});
