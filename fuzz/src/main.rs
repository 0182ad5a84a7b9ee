//! The program that libFuzzer drives: one for all targets, since what takes time is to build it. The variable
//! `ADIT_FUZZ_TARGET` names the target; without it the program lists them. `fuzz/run` knows how.
#![no_main]
#![allow(
    unsafe_code,
    reason = "the function that libFuzzer calls has a name without a mangle"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program, and one for developers"
)]

use std::sync::OnceLock;

use fuzz::{TARGETS, Target};

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

/// Finds the target, before the first input.
fn choose() {
    let Ok(name) = std::env::var("ADIT_FUZZ_TARGET") else {
        for target in TARGETS {
            println!(
                "{}\t{}\t{}",
                target.name,
                target.longest,
                target.shared.join(",")
            );
        }
        std::process::exit(0);
    };
    let target = fuzz::find(&name).expect("ADIT_FUZZ_TARGET names no target");
    CHOSEN.get_or_init(|| target);
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(target) = CHOSEN.get() {
        (target.run)(data);
    }
});
