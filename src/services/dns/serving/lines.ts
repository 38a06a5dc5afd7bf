/** Cuts a stream into lines. */
export class LineReader {
  #rest = '';

  /** The lines that `chunk` completes. The stream must decode UTF-8 itself (`setEncoding`). */
  push(chunk: string): string[] {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }
}
