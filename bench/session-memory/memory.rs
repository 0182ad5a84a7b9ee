//! What the kernel says about the memory of this process.

/// Memory of this process at one moment, in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident altogether: `VmRSS`.
    pub resident: i64,
    /// The part of it that no file stands behind (heap, stacks): `RssAnon`.
    pub anonymous: i64,
}

impl Memory {
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").expect("a Linux with /proc");
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .expect(name);
            let number = line
                .trim_start_matches(':')
                .split_whitespace()
                .next()
                .expect(name);
            number.parse().expect("a number of KiB")
        };
        Self {
            resident: field("VmRSS"),
            anonymous: field("RssAnon"),
        }
    }
}
