//! The rules by themselves.

use std::num::NonZeroU32;

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_boot(Duration::from_secs(100_000 + seconds))
}

fn source(text: &str) -> Source {
    Source::of(text.parse().unwrap())
}

fn user(name: &str) -> UserName {
    UserName::from(name)
}

/// Fails a login at each moment it is looked at; the moments.
fn tries(guard: &mut Guard, name: &str, from: Source, seconds: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    for second in 0..seconds {
        if guard.hold(at(second), &user(name), from).is_none() {
            guard.on_failed_login(at(second), &user(name), from, true);
            seen.push(second);
        }
    }
    seen
}

/// Somebody who tries every second gets five, and then fewer and fewer.
#[test]
fn each_failure_doubles_the_wait_up_to_the_longest() {
    let mut guard = Guard::new(GuardPolicy::default());
    let seen = tries(&mut guard, "ann", source("192.0.2.1"), 5000);
    let pauses: Vec<u64> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(
        pauses,
        [
            1, 1, 1, 1, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900
        ]
    );
}

#[test]
fn a_user_is_slow_where_the_failures_were_and_nowhere_else() {
    let mut guard = Guard::new(GuardPolicy::default());
    let (here, there) = (source("192.0.2.1"), source("192.0.2.2"));
    tries(&mut guard, "ann", here, 5);
    assert!(matches!(
        guard.hold(at(5), &user("ann"), here),
        Some(Hold::User(_))
    ));
    // A domain in front does not make another user.
    assert!(guard.hold(at(5), &user("HOME\\ann"), here).is_some());
    assert_eq!(guard.hold(at(5), &user("ann"), there), None);
    assert_eq!(guard.hold(at(5), &user("bob"), here), None);
}

/// Names cost a guesser nothing, so they do not help either.
#[test]
fn a_source_is_slow_as_a_whole_but_not_for_those_who_have_got_in_from_there() {
    let mut guard = Guard::new(GuardPolicy::default());
    let (here, there) = (source("192.0.2.1"), source("192.0.2.2"));
    guard.on_login(at(0), &user("ann"), here);
    for number in 0..20 {
        let name = user(&format!("user{number}"));
        assert_eq!(guard.hold(at(1), &name, here), None, "{number}");
        guard.on_failed_login(at(1), &name, here, false);
    }
    assert!(matches!(
        guard.hold(at(2), &user("zoe"), here),
        Some(Hold::Source(_))
    ));
    assert_eq!(guard.hold(at(2), &user("zoe"), there), None);
    assert_eq!(guard.hold(at(2), &user("ann"), here), None);
    // But guesses of that user's password count.
    for _ in 0..5 {
        guard.on_failed_login(at(2), &user("ann"), here, true);
    }
    assert!(guard.hold(at(3), &user("ann"), here).is_some());
    let status = guard.status(at(3));
    assert_eq!((status.slowed_users, status.slowed_sources), (1, 1));
    let later = guard.status(at(86_400));
    assert_eq!((later.slowed_users, later.slowed_sources), (0, 0));
}

#[test]
fn one_host_of_ipv6_is_one_source() {
    assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
    assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
    assert_eq!(source("2001:db8::1").to_string(), "2001:db8::/64");
    assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    assert_eq!(source("192.0.2.1").to_string(), "192.0.2.1");
}

#[test]
fn success_clears_the_user_there_and_not_the_source() {
    let mut guard = Guard::new(GuardPolicy::default());
    let here = source("192.0.2.1");
    for _ in 0..5 {
        for _ in 0..4 {
            guard.on_failed_login(at(0), &user("eve"), here, true);
        }
        // Whoever has an account logs in between the guesses.
        guard.on_login(at(0), &user("eve"), here);
    }
    assert_eq!(guard.hold(at(1), &user("eve"), here), None);
    assert!(guard.hold(at(1), &user("ann"), here).is_some());
}

#[test]
fn nobody_is_locked_out_unless_that_is_wanted() {
    let mut guard = Guard::new(GuardPolicy::default());
    for host in 0..200_u8 {
        let from = Source::of([198, 51, 100, host].into());
        for _ in 0..4 {
            guard.on_failed_login(at(0), &user("ann"), from, true);
        }
    }
    let elsewhere = source("192.0.2.1");
    assert_eq!(guard.hold(at(1), &user("ann"), elsewhere), None);

    let policy = GuardPolicy {
        lock_out_after: NonZeroU32::new(10),
        ..GuardPolicy::default()
    };
    let mut guard = Guard::new(policy.clone());
    let fail = |guard: &mut Guard, name, exists| {
        let hosts = (0..10_u8).map(|host| Source::of([198, 51, 100, host].into()));
        let slowed = hosts.map(|from| guard.on_failed_login(at(0), &user(name), from, exists));
        slowed.last().unwrap()
    };
    // There is nothing to lock where nobody is, and names are made up as one likes.
    assert_eq!(fail(&mut guard, "nobody", false), []);
    let locked = Slowed {
        who: Suspect::User(user("ann")),
        failures: 10,
        wait: Some(Duration::from_secs(3600)),
    };
    assert_eq!(fail(&mut guard, "ann", true), [locked]);
    let hold = |guard: &Guard, second| guard.hold(at(second), &user("ann"), elsewhere);
    assert!(matches!(hold(&guard, 1), Some(Hold::LockedOut(Some(_)))));
    assert_eq!(guard.status(at(1)).locked_out, 1);
    assert_eq!(hold(&guard, 3600), None);
    assert_eq!(guard.status(at(3600)).locked_out, 0);

    let mut guard = Guard::new(GuardPolicy {
        lock_out_time: None,
        ..policy
    });
    fail(&mut guard, "ann", true);
    assert_eq!(hold(&guard, 1 << 30), Some(Hold::LockedOut(None)));
    guard.forgive_user(&user("ann"));
    assert_eq!(hold(&guard, 1 << 30), None);
}

#[test]
fn the_operator_forgives_a_user_a_source_or_all() {
    let (here, there) = (source("192.0.2.1"), source("192.0.2.2"));
    let guilty = || {
        let mut guard = Guard::new(GuardPolicy::default());
        for (name, from) in [("ann", here), ("ann", there), ("bob", here)] {
            for _ in 0..5 {
                guard.on_failed_login(at(0), &user(name), from, true);
            }
        }
        guard.on_wrong_key(at(0), there);
        guard
    };
    let held = |guard: &Guard| {
        let held = [("ann", here), ("ann", there), ("bob", here)];
        held.map(|(name, from)| guard.hold(at(1), &user(name), from).is_some())
    };
    let mut guard = guilty();
    assert_eq!(held(&guard), [true; 3]);
    assert_eq!(guard.forgive_user(&user("CORP\\ann")), 2);
    assert_eq!(held(&guard), [false, false, true]);
    assert_eq!(guard.forgive_user(&user("ann")), 0);

    let mut guard = guilty();
    // The pair, the logins and the key.
    assert_eq!(guard.forgive_source(there), 3);
    assert_eq!(held(&guard), [true, false, true]);

    let mut guard = guilty();
    assert_eq!(guard.forgive_all(), 6);
    assert_eq!(held(&guard), [false; 3]);
    assert_eq!(guard.status(at(1)).remembered, 0);
}

#[test]
fn wrong_keys_make_handshakes_wait_no_longer_than_clients_bear() {
    let mut guard = Guard::new(GuardPolicy::default());
    let here = source("192.0.2.1");
    let seen: Vec<u64> = (0..1000)
        .filter(|second| {
            let heard = !guard.holds_handshakes(at(*second), here);
            if heard {
                guard.on_wrong_key(at(*second), here);
            }
            heard
        })
        .collect();
    assert_eq!(seen[..20], (0..20).collect::<Vec<u64>>());
    assert!(seen[19..].windows(2).all(|pair| pair[1] - pair[0] == 10));
    assert!(!guard.holds_handshakes(at(1), source("192.0.2.2")));
    assert_eq!(guard.hold(at(999), &user("ann"), here), None);
}

#[test]
fn nothing_is_ever_held_with_the_limits_off() {
    let mut guard = Guard::new(GuardPolicy {
        user_failures: 0,
        source_failures: 0,
        key_failures: 0,
        ..GuardPolicy::default()
    });
    let here = source("192.0.2.1");
    for _ in 0..100 {
        assert_eq!(guard.on_failed_login(at(0), &user("ann"), here, true), []);
        assert_eq!(guard.on_wrong_key(at(0), here), None);
    }
    assert_eq!(guard.hold(at(0), &user("ann"), here), None);
    assert!(!guard.holds_handshakes(at(0), here));
}

/// Whatever a crowd does, the tables do not outgrow what they are made for.
#[test]
fn memory_is_bounded() {
    let mut guard = Guard::new(GuardPolicy {
        lock_out_after: NonZeroU32::new(1),
        ..GuardPolicy::default()
    });
    for number in 0..40_000_u32 {
        let from = Source::of(std::net::Ipv4Addr::from_bits(number).into());
        let name = user(&format!("user{number}"));
        guard.on_failed_login(at(0), &name, from, true);
        guard.on_wrong_key(at(0), from);
        guard.on_login(at(0), &name, from);
    }
    let status = guard.status(at(0));
    let most = PAIRS + 2 * SOURCES + ACQUAINTED + 2 * USERS;
    assert!(status.remembered <= most, "{status:?}");
    assert!(status.crowded_out > 40_000, "{status:?}");
}
