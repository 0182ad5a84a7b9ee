use std::collections::BTreeSet;

use ike::WindowsVersion;

use super::*;

#[test]
fn every_cause_has_an_entry_of_its_own_and_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for cause in Cause::ALL {
        let entry = cause.explanation();
        assert_eq!(entry.cause, *cause);
        assert!(names.insert(cause.name()), "{cause}");
        assert_eq!(cause.name().parse(), Ok(*cause));
        assert!(
            !entry.what.is_empty() && !entry.what.ends_with('.'),
            "{cause}"
        );
    }
}

/// Nobody is left with a line that says only that it failed.
#[test]
fn every_cause_but_the_vague_one_says_what_helps_to_every_family() {
    for cause in Cause::ALL {
        for family in Family::ALL {
            let help = cause.explanation().help(*family);
            let windows_only = matches!(cause, Cause::NoClientCertificate | Cause::PlainL2tp);
            let nowhere_else = matches!(cause, Cause::AggressiveMode) && *family == Family::Windows;
            let excused = *cause == Cause::Other || windows_only || nowhere_else;
            assert!(excused || !help.is_empty(), "{cause} {family}");
        }
    }
}

/// What a login is refused with is what Windows shows for it.
#[test]
fn the_numbers_of_logins_are_the_numbers_of_the_table() {
    for cause in Cause::ALL {
        let entry = cause.explanation();
        if entry.stage == Some(Stage::Authentication)
            && !matches!(
                cause,
                Cause::NoCommonAuthentication | Cause::AuthenticationTimeout
            )
        {
            let shown: Vec<u32> = entry.windows_errors().collect();
            assert_eq!(shown, [cause.login_error()], "{cause}");
        }
    }
}

#[test]
fn help_speaks_to_the_client_at_hand() {
    let windows = Make::Windows(WindowsVersion::Eight);
    let outer = SocketAddr::from(([203, 0, 113, 5], 500));
    let failure = |make| {
        let (at, cause) = (Stage::Phase1, Cause::AggressiveMode);
        Failure::new(outer, make, at, cause, String::new())
    };
    assert_eq!(
        failure(Make::Apple).help(),
        "clear the field \"Group Name\""
    );
    assert_eq!(
        failure(Make::Android).help(),
        "clear the field \"IPSec identifier\""
    );
    assert_eq!(failure(windows).help(), "");
    // Of whom nothing is known, it can be any.
    let help = failure(Make::Unknown).help();
    assert!(
        help.contains("Group Name") && help.contains("IPSec identifier"),
        "{help}"
    );
    let at = Stage::Phase1;
    let wrong = Failure::new(outer, windows, at, Cause::WrongKey, String::new());
    assert_eq!(wrong.shown(), Some("error 789"));
    assert_eq!(wrong.stage.name(), "phase1");
}

#[test]
fn l2tp_helps_out_where_vendor_ids_say_nothing() {
    let of = |make, vendor: &str, host: &str| {
        let info = l2tp::PeerInfo {
            vendor_name: vendor.to_owned(),
            host_name: host.to_owned(),
            ..l2tp::PeerInfo::default()
        };
        recognise(make, &info)
    };
    assert_eq!(of(Make::Unknown, "adit", "laptop"), Make::Adit);
    assert_eq!(of(Make::Unknown, "MikroTik", "MikroTik"), Make::MikroTik);
    assert_eq!(of(Make::Racoon, "MikroTik", "MikroTik"), Make::MikroTik);
    assert_eq!(of(Make::Racoon, "", "router"), Make::Racoon);
    assert_eq!(of(Make::Unknown, "", "anonymous"), Make::Android);
    assert_eq!(of(Make::Unknown, "xelerance.com", "host"), Make::Unknown);
    assert_eq!(of(Make::Apple, "Microsoft", "host"), Make::Apple);
}
