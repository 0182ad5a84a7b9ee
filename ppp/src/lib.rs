//! PPP (RFC 1661, 1334, 1994, 2759, 1332), both roles, sans-IO
#![forbid(unsafe_code)]
