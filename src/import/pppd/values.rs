//! Arguments of options, and the settings they become.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Id, Import, Step};
use crate::compat::pppd_options::number;
use crate::config::values::format_duration;

/// The last one counts.
pub(super) fn replace(place: &mut Option<(u32, Id)>, step: &Step, import: &mut Import) {
    let Some(value) = number(&step.argument) else {
        not_a_number(step, import);
        return;
    };
    if let Some((_, id)) = place.replace((value, step.id)) {
        overridden(id, step.id, import);
    }
}

pub(super) fn overridden(id: Id, by: Id, import: &mut Import) {
    let by = import
        .report
        .of(by)
        .map(|s| s.place.to_string())
        .unwrap_or_default();
    import
        .report
        .without_effect(id, format!("{by} has the last word"));
}

pub(super) fn not_a_number(step: &Step, import: &mut Import) {
    let why = format!(
        "{:?} is not a number: pppd does not start with it",
        step.argument
    );
    import.report.dropped_for_clients(step.id, why);
}

pub(super) fn seconds(step: &Step, setting: &str, import: &mut Import) {
    match number(&step.argument) {
        Some(value) => {
            let value = format_duration(Duration::from_secs(value.into()));
            import.keep(&[step.id], setting, value);
        }
        None => not_a_number(step, import),
    }
}

/// `mtu` and `mru`.
pub(super) fn packet_size(step: &Step, setting: &str, import: &mut Import) {
    const LEAST: u32 = 576;
    const MOST: u32 = 1500;
    let from = &[step.id];
    match number(&step.argument) {
        None => not_a_number(step, import),
        Some(value @ LEAST..=MOST) => import.keep(from, setting, i64::from(value)),
        Some(value) if value < LEAST => {
            let why = "TCP hardly works below 576 bytes";
            import.change(from, setting, i64::from(LEAST), why);
        }
        Some(_) => {
            let why = "no client agrees to more than 1500 bytes";
            import.change(from, setting, i64::from(MOST), why);
        }
    }
}

/// `LOCAL:REMOTE`, either of which may be missing.
pub(super) fn addresses(step: &Step, import: &mut Import) {
    let (local, remote) = step.name.split_once(':').unwrap_or((&step.name, ""));
    let from = &[step.id];
    let mut said = false;
    for (text, setting) in [(local, "pool.local"), (remote, "pool.ranges")] {
        match text.parse::<Ipv4Addr>() {
            Ok(address) if address.is_unspecified() => {}
            Ok(address) if setting == "pool.local" => {
                said = true;
                import.keep(from, setting, address.to_string());
            }
            Ok(address) => {
                said = true;
                let why = "one address for all: only one client at a time can have it";
                import.change(from, setting, vec![address.to_string()], why);
            }
            Err(_) if text.is_empty() => {}
            Err(_) => {
                said = true;
                let why = format!("{text:?} is the name of a host, and names are not looked up");
                import.report.dropped_for_clients(step.id, why);
            }
        }
    }
    if !said {
        import.report.without_effect(step.id, "it names no address");
    }
}

/// Of the servers given to clients, the last two count.
pub(super) fn servers(all: Vec<(String, Id)>, setting: &str, import: &mut Import) {
    let mut good: Vec<(String, Id)> = Vec::new();
    for (text, id) in all {
        match text.parse::<Ipv4Addr>() {
            Ok(address) if address.is_unspecified() || address.is_loopback() => {
                let why = format!("{address} means something else on the client");
                import.report.dropped_for_clients(id, why);
            }
            Ok(address) => good.push((address.to_string(), id)),
            Err(_) => {
                let why = format!("{text:?} is not an address, and names are not looked up");
                import.report.dropped_for_clients(id, why);
            }
        }
    }
    while good.len() > 2 {
        let (_, id) = good.remove(0);
        import
            .report
            .without_effect(id, "clients are given two, and pppd keeps the last two");
    }
    // pppd says one that is alone twice; so does adit's IPCP say it once and clients ask no more.
    let ids: Vec<Id> = good.iter().map(|(_, id)| *id).collect();
    let mut values: Vec<String> = good.into_iter().map(|(text, _)| text).collect();
    values.dedup();
    if !values.is_empty() {
        import.keep(&ids, setting, values);
    }
}

pub(super) fn plugin(step: &Step, import: &mut Import) {
    let name = step.argument.rsplit('/').next().unwrap_or_default();
    let report = &mut import.report;
    match name {
        "pppol2tp.so" | "openl2tp.so" => {
            report.without_effect(step.id, "sessions are not in the kernel");
        }
        "radius.so" | "radattr.so" | "radrealms.so" => {
            let why =
                "users are not asked for at a RADIUS server: they need lines in the users' file";
            report.dropped_for_clients(step.id, why);
        }
        "winbind.so" => {
            let why =
                "users of a Windows domain are not asked for: they need lines in the users' file";
            report.dropped_for_clients(step.id, why);
        }
        _ => report.dropped_for_clients(step.id, "plugins of pppd are its own"),
    }
}
