import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a TCP server on loopback that can be cut and healed, or lose what the server says. */
export class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #whole = true;
  #deaf = false;
  #connections = 0;

  private constructor(endpoint: string) {
    const [host, port] = endpoint.split(':');
    this.#server = createServer((near) => {
      this.#connections += 1;
      if (!this.#whole) {
        near.destroy();
        return;
      }
      const far = connect(Number(port), host);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      near.on('data', (bytes) => far.write(bytes));
      far.on('data', (bytes) => {
        if (this.#deaf) near.destroy();
        else near.write(bytes);
      });
    });
  }

  static async to(endpoint: string): Promise<Cable> {
    const cable = new Cable(endpoint);
    cable.#server.listen(0, '127.0.0.1');
    await once(cable.#server, 'listening');
    return cable;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as { readonly port: number }).port}`;
  }

  /** How often somebody tried to connect. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections end, and no other comes about. */
  cut(): void {
    this.#whole = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#whole = true;
    this.#deaf = false;
  }

  /** The next thing that the server says ends the connection instead. */
  loseAnswers(): void {
    this.#deaf = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
