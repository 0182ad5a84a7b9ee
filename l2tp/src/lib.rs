//! L2TPv2 (RFC 2661, 3145, 3193), LNS and client, sans-IO
#![forbid(unsafe_code)]
