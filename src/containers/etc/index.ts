// /etc/hosts, /etc/hostname and /etc/resolv.conf of containers: their text, and how they are written under a running
// container. Knows no networks: it is given addresses and names.
export * from './files.ts';
export * from './hosts.ts';
