import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyChanges } from './changes.ts';

describe('changes of an image configuration', () => {
  it('read every instruction in both of its forms', () => {
    const config = applyChanges({ Env: ['A=1', 'B=2'], WorkingDir: '/srv' }, [
      'CMD ["/bin/app", "-v"]',
      'ENTRYPOINT exec app',
      'ENV A=3 C="x y" D=\'$z\'',
      'env OLD the rest',
      'LABEL one=1 two="2 3"',
      'EXPOSE 80 53/udp 8000-8005',
      'VOLUME ["/data"]',
      'VOLUME /a /b',
      'USER nobody:nogroup',
      'WORKDIR sub',
      'STOPSIGNAL SIGINT',
      'ONBUILD RUN true',
    ]);
    assert.deepEqual(config, {
      Env: ['A=3', 'B=2', 'C=x y', 'D=$z', 'OLD=the rest'],
      WorkingDir: '/srv/sub',
      Cmd: ['/bin/app', '-v'],
      Entrypoint: ['/bin/sh', '-c', 'exec app'],
      Labels: { one: '1', two: '2 3' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000-8005/tcp': {} },
      Volumes: { '/data': {}, '/a': {}, '/b': {} },
      User: 'nobody:nogroup',
      StopSignal: 'SIGINT',
      OnBuild: ['RUN true'],
    });
  });

  it('read a health check with its times', () => {
    const { Healthcheck } = applyChanges({}, [
      'HEALTHCHECK --interval=1m30s --timeout=500ms --retries=2 CMD wget -q x',
    ]);
    assert.deepEqual(Healthcheck, {
      Interval: 90e9,
      Timeout: 0.5e9,
      Retries: 2,
      Test: ['CMD-SHELL', 'wget -q x'],
    });
    assert.deepEqual(applyChanges({}, ['HEALTHCHECK NONE']).Healthcheck, { Test: ['NONE'] });
    assert.deepEqual(applyChanges({}, ['HEALTHCHECK CMD ["a"]']).Healthcheck, { Test: ['CMD', 'a'] });
  });

  it('leave the given configuration as it is', () => {
    const before = { Env: ['A=1'] };
    applyChanges(before, ['ENV A=2']);
    assert.deepEqual(before, { Env: ['A=1'] });
  });

  const bad: readonly (readonly [string, RegExp])[] = [
    ['RUN true', /RUN is not a valid change command/],
    ['CMD', /CMD requires at least one argument/],
    ['ENV x', /ENV must have two arguments/],
    ['ENV A=1 b', /can't find =/],
    ['EXPOSE http', /invalid containerPort: http/],
    ['HEALTHCHECK --interval=soon CMD x', /invalid duration "soon"/],
    ['HEALTHCHECK --often=1 CMD x', /unknown flag: often/],
    ['HEALTHCHECK RUN x', /Unknown type "RUN"/],
  ];
  for (const [line, message] of bad) {
    it(`refuse ${line}`, () => assert.throws(() => applyChanges({}, [line]), { kind: 'invalid', message }));
  }
});
