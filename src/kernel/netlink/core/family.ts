import { familyOf, type Ip, type IpFamily } from '../../../base/index.ts';
import { AF_INET, AF_INET6 } from '../../ffi/index.ts';

export function afOf(family: IpFamily): number {
  return family === 4 ? AF_INET : AF_INET6;
}

export function afOfIp(ip: Ip): number {
  return afOf(familyOf(ip));
}

export function familyOfAf(af: number): IpFamily | undefined {
  if (af === AF_INET) return 4;
  return af === AF_INET6 ? 6 : undefined;
}
