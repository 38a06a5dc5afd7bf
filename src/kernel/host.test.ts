import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Ip, type Mac, parseIp } from '../base/index.ts';
import { gratuitousArpFrame, neighbourAdvertisement } from './announce.ts';
import { flowMatches } from './conntrack.ts';
import { errnoName, inetAddress, isErrno, readInetAddress, SystemError } from './ffi/index.ts';
import { parseOpenFilesLimit } from './limits.ts';
import { parseMountinfo } from './mount.ts';
import { sysctlPath } from './sysctl.ts';

const mac = '02:42:ac:12:00:02' as Mac;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('what the kernel layer says and reads', () => {
  it('names errors as the kernel does', () => {
    assert.equal(errnoName(17), 'EEXIST');
    assert.equal(errnoName(11), 'EAGAIN');
    assert.equal(errnoName(95), 'EOPNOTSUPP');
    assert.equal(errnoName(4095), 'E4095');
    const error = new SystemError('EEXIST', { syscall: 'bind', action: 'hold a port' });
    assert.match(error.message, /^cannot hold a port: file already exists \(EEXIST\)$/);
    assert.equal(isErrno(error, 'ENOENT', 'EEXIST'), true);
    assert.equal(isErrno(new Error('x'), 'EEXIST'), false);
  });

  it('packs socket addresses of both families', () => {
    assert.equal(hex(inetAddress('192.0.2.1' as Ip, 80)), '0200' + '0050' + 'c0000201' + '0000000000000000');
    const six = { ip: parseIp('fd00::1'), port: 65535 };
    assert.deepEqual(readInetAddress(inetAddress(six.ip, six.port)), six);
  });

  it('announces an IPv4 address in 42 bytes', () => {
    assert.equal(
      hex(gratuitousArpFrame(mac, '172.18.0.2' as Ip)),
      'ffffffffffff' +
        '0242ac120002' +
        '0806' +
        '0001080006040001' +
        '0242ac120002' +
        'ac120002' +
        '000000000000' +
        'ac120002',
    );
    assert.throws(() => gratuitousArpFrame(mac, 'fd00::2' as Ip), /not an IPv4 address/);
  });

  it('announces an IPv6 address with a checksum that adds up', () => {
    const frame = neighbourAdvertisement(mac, 'fd00::2' as Ip);
    assert.equal(frame.length, 14 + 40 + 32);
    assert.equal(frame[14 + 7], 255);
    // Over pseudo header and message, the sum of a right checksum is all ones.
    const covered = [...frame.subarray(14 + 8, 14 + 40), 0, 0, 0, 32, 0, 0, 0, 58, ...frame.subarray(14 + 40)];
    let sum = 0;
    for (let at = 0; at < covered.length; at += 2) sum += ((covered[at] ?? 0) << 8) | (covered[at + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    assert.equal(sum, 0xffff);
  });

  it('finds sysctls by dots, by slashes and by parts, and stays inside', () => {
    assert.equal(sysctlPath('net.ipv4.ip_forward'), '/proc/sys/net/ipv4/ip_forward');
    assert.equal(sysctlPath('net/ipv4/conf/eth0.10/forwarding'), '/proc/sys/net/ipv4/conf/eth0.10/forwarding');
    assert.equal(sysctlPath(['net', 'ipv4', 'conf', 'a.b', 'arp_notify']), '/proc/sys/net/ipv4/conf/a.b/arp_notify');
    for (const bad of ['', 'net', 'net/../../etc/passwd', '/etc/passwd', 'net..ipv4', ['net', 'a/b']]) {
      assert.throws(() => sysctlPath(bad), /invalid sysctl/);
    }
  });

  it('reads mountinfo, spaces and optional fields included', () => {
    const [entry, other] = parseMountinfo(
      '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n' +
        '37 35 0:4 net:[4026532] /run/netns/x rw - nsfs nsfs rw\nnonsense\n',
    );
    assert.equal(entry?.target, '/mnt 2');
    assert.deepEqual(entry?.propagation, ['shared:1', 'master:2']);
    assert.equal(entry?.type, 'ext3');
    assert.deepEqual(entry?.superOptions, ['rw', 'errors=continue']);
    assert.equal(other?.type, 'nsfs');
    assert.deepEqual(other?.propagation, []);
  });

  it('reads the limit of open files', () => {
    const text =
      'Limit  Soft  Hard  Units\nMax open files            1024                 unlimited            files\n';
    assert.deepEqual(parseOpenFilesLimit(text), { soft: 1024, hard: Number.POSITIVE_INFINITY });
  });

  it('matches a flow by every field that is given', () => {
    const ends = { source: '192.0.2.1' as Ip, destination: '192.0.2.2' as Ip, sourcePort: 5, destinationPort: 80 };
    const flow = { protocolNumber: 6, protocol: 'tcp' as const, original: ends, reply: ends };
    assert.equal(flowMatches(flow, {}), true);
    assert.equal(flowMatches(flow, { protocol: 'tcp', port: 80 }), true);
    assert.equal(flowMatches(flow, { protocol: 'udp', port: 80 }), false);
    assert.equal(flowMatches(flow, { replySource: '192.0.2.9' as Ip }), false);
  });
});
