//! Input of setkey: what the policies and associations would be in adit, which makes its own.

use super::{Import, Source};
use crate::compat::setkey::{self, Order, Policy};

pub(super) fn map(source: Source, import: &mut Import) {
    let place = source.place();
    let statements = setkey::parse(&place, &source.bytes, &mut import.report.findings);
    for statement in statements {
        let text = text(&statement.order);
        let id = import
            .report
            .add(&statement.place, statement.last_line, text);
        let report = &mut import.report;
        match &statement.order {
            Order::Plain(_) => {
                report.without_effect(
                    id,
                    "adit sets nothing in the kernel that could be in its way",
                );
            }
            Order::Policy(policy) => match what(policy) {
                What::L2tp => {
                    report.kept(id, "L2TP is taken from inside a security association only");
                }
                What::Removal | What::Exempt => {
                    report.without_effect(id, "adit sets no policies in the kernel");
                }
                What::Tunnel => report.dropped_for_clients(
                    id,
                    "it is a tunnel between networks, and adit has transport mode for L2TP only: \
                     keep racoon and setkey for it, on another address",
                ),
                What::Other => report.dropped_for_clients(
                    id,
                    "it protects something else than L2TP, which is all that adit serves",
                ),
            },
            Order::Association { .. } => report.dropped_for_clients(
                id,
                "its keys are set by hand, on both sides; adit agrees on new ones with each client",
            ),
            Order::Unknown => report.dropped(id, "it cannot be understood"),
        }
    }
}

enum What {
    L2tp,
    Tunnel,
    Exempt,
    Removal,
    Other,
}

fn what(policy: &Policy) -> What {
    let l2tp = |end: &str| end.ends_with("[1701]");
    match policy {
        _ if policy.order == "spddelete" => What::Removal,
        _ if policy.action != "ipsec" => What::Exempt,
        _ if policy.rules.iter().any(|rule| rule.mode == "tunnel") => What::Tunnel,
        _ if matches!(policy.upper.as_str(), "udp" | "17")
            && (l2tp(&policy.source) || l2tp(&policy.destination)) =>
        {
            What::L2tp
        }
        _ => What::Other,
    }
}

/// As it was written, as far as it holds no keys.
fn text(order: &Order) -> String {
    match order {
        Order::Plain(order) => format!("{order};"),
        Order::Policy(policy) => {
            let mut text = format!(
                "{} {} {} {} -P {} {}",
                policy.order,
                policy.source,
                policy.destination,
                policy.upper,
                policy.direction,
                policy.action
            );
            for rule in &policy.rules {
                let gateways = rule.gateways.as_ref();
                let gateways = gateways.map(|(from, to)| format!("{from}-{to}"));
                text.push_str(&format!(
                    " {}/{}/{}/{}",
                    rule.protocol,
                    rule.mode,
                    gateways.unwrap_or_default(),
                    rule.level
                ));
            }
            text + ";"
        }
        Order::Association { order, words } => format!("{order} {} (secret);", words.join(" ")),
        Order::Unknown => "(cannot be read)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::import::testing::{import, lines};

    #[test]
    fn policies_and_keys() {
        let text = "flush; spdflush;\n\
            spdadd 0.0.0.0/0[1701] 0.0.0.0/0[any] udp -P out ipsec\n  esp/transport//require;\n\
            spdadd 10.0.0.1 10.0.0.2 ipencap -P out ipsec esp/tunnel/10.0.0.1-10.0.0.2/require;\n\
            spdadd 10.0.0.1 10.0.0.2 tcp -P out ipsec ah/transport//use;\n\
            spdadd 10.0.0.1 10.0.0.2 any -P in none;\n\
            add 10.0.0.1 10.0.0.2 esp 0x201 -E 3des-cbc \"hush\";\nhush;\n";
        let import = import(&[("/etc/ipsec-tools.conf", text)]);
        insta::assert_snapshot!(lines(&import).join("\n"));
    }
}
