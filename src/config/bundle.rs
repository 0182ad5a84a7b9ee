//! The configuration together with the secrets it names.
/// Everything read.
#[derive(Debug)]
pub struct Bundle;
