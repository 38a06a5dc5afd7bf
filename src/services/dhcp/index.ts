// DHCP for containers on networks of others: asks for IPv4 addresses from inside a sandbox, renews and releases them. It must
// not give links addresses, routes or anything else: it only says what was lent.
export { DhcpClient, type DhcpClientDeps } from './client.ts';
