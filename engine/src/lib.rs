//! Composes IKE, L2TP, PPP, addresses and authentication into one sans-IO object
#![forbid(unsafe_code)]
