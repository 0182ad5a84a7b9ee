//! adit: an L2TP/IPsec server and client in one process.
fn main() {}
