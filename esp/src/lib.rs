//! ESP transforms on byte slices (RFC 4303, 3948)
#![forbid(unsafe_code)]
