//! How much memory a program may take, where nobody says it.

use std::fs;

/// Bytes at most.
const MOST: u64 = 1 << 30;
/// Bytes with which they still do something.
const LEAST: u64 = 128 << 20;
/// Two of them run side by side, beside the daemon.
const SHARE: u64 = 3;
/// Where the kernel says what all processes of a container may take, of cgroups of either version.
const LIMITS: [&str; 2] =
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// A share of what the container may take: with more, it is ended as a whole, the daemon with it.
pub fn default_memory() -> u64 {
    share(LIMITS.iter().find_map(|file| fs::read_to_string(file).ok()).as_deref())
}

/// Without a limit it says `max`, or a number beyond all memory.
fn share(limit: Option<&str>) -> u64 {
    let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
    limit.map_or(MOST, |limit| (limit / SHARE).clamp(LEAST, MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_share_of_what_the_container_may_take() {
        let check = |limit: Option<&str>, expect: u64| assert_eq!(share(limit) >> 20, expect);
        check(None, 1024);
        check(Some("max\n"), 1024);
        check(Some("9223372036854771712"), 1024);
        check(Some("1610612736\n"), 512);
        check(Some("268435456"), 128);
    }
}
