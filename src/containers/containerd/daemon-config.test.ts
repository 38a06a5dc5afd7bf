import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { daemonConfig } from './daemon-config.ts';

describe('the configuration of a private containerd', () => {
  it('quotes paths and keeps the CRI out', () => {
    const text = daemonConfig({ root: '/a "b"', state: '/run/x', socketPath: '/run/x/c.sock' });
    assert.match(text, /^version = 2$/m);
    assert.match(text, /^root = "\/a \\"b\\""$/m);
    assert.match(text, /^disabled_plugins = \["io\.containerd\.grpc\.v1\.cri"/m);
    assert.match(text, /\[grpc\]\n {2}address = "\/run\/x\/c\.sock"/);
  });
});
