//! Tables of SAs and sessions and the per-packet functions, no I/O
#![forbid(unsafe_code)]
