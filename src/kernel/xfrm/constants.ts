/** Numbers of linux/xfrm.h, spelled as there. */

export const XFRM_MSG_NEWSA = 0x10;
export const XFRM_MSG_DELSA = 0x11;
export const XFRM_MSG_GETSA = 0x12;
export const XFRM_MSG_NEWPOLICY = 0x13;
export const XFRM_MSG_DELPOLICY = 0x14;
export const XFRM_MSG_GETPOLICY = 0x15;
export const XFRM_MSG_EXPIRE = 0x18;
export const XFRM_MSG_UPDPOLICY = 0x19;
export const XFRM_MSG_UPDSA = 0x1a;
export const XFRM_MSG_POLEXPIRE = 0x1b;
export const XFRM_MSG_FLUSHSA = 0x1c;
export const XFRM_MSG_FLUSHPOLICY = 0x1d;

export const XFRMNLGRP_EXPIRE = 2;
export const XFRMNLGRP_SA = 3;
export const XFRMNLGRP_POLICY = 4;

export const XFRMA_TMPL = 5;
export const XFRMA_ALG_AEAD = 18;
export const XFRMA_REPLAY_ESN_VAL = 23;

export const XFRM_MODE_TRANSPORT = 0;
export const XFRM_POLICY_IN = 0;
export const XFRM_POLICY_OUT = 1;
export const XFRM_POLICY_ALLOW = 0;
export const XFRM_POLICY_BLOCK = 1;
/** Sequence numbers of 64 bits. */
export const XFRM_STATE_ESN = 128;
export const IPPROTO_ESP = 50;

export const SELECTOR_LENGTH = 56;
export const STATE_LENGTH = 224;
export const STATE_ID_LENGTH = 24;
export const TEMPLATE_LENGTH = 64;
export const POLICY_LENGTH = 168;
export const POLICY_ID_LENGTH = 64;
export const ALGORITHM_LENGTH = 72;
export const REPLAY_LENGTH = 24;
