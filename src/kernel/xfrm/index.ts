// The kernel's IPsec (NETLINK_XFRM), as far as ESP in transport mode with AES-GCM needs it: security associations
// ("states"), policies, and word of their loss. Typed messages and nothing else: which keys, and when, others decide.

export type { XfrmDirection, XfrmPolicy, XfrmPolicyId, XfrmTemplate } from './policies.ts';
export type { XfrmSelector } from './selector.ts';
export { ESP_GCM, type XfrmState, type XfrmStateId, type XfrmStateSpec } from './states.ts';
export { Xfrm, XfrmMonitor, type XfrmMonitorOptions } from './xfrm.ts';
