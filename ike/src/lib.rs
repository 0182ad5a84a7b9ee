//! IKEv1 for L2TP/IPsec (RFC 2407, 2408, 2409, 3706, 3947), sans-IO
#![forbid(unsafe_code)]
