//! Devices whose settings are typed in.

use zeroize::Zeroizing;

use super::Account;

pub(super) fn android(account: &Account) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from(
        "Android up to 11: Settings, Network & internet, VPN, +. Later versions have no L2TP.\n\n",
    ));
    if !account.old_android {
        text.push_str(
            "This server does not let it in: Android's client has weak algorithms only. To let it in,\n\
             put legacy = [\"legacy-android\"] into [ipsec] of the server's configuration.\n\n",
        );
    }
    fields(
        &mut text,
        account,
        &[
            ("Name", "adit"),
            ("Type", "L2TP/IPSec PSK"),
            ("Server address", &account.server),
            ("L2TP secret", "(empty)"),
            ("IPSec identifier", "(empty)"),
        ],
        ["IPSec pre-shared key", "User name", "Password"],
    );
    text
}

pub(super) fn chromeos(account: &Account) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from(
        "ChromeOS: Settings, Network, Add connection, Add built-in VPN.\n\n",
    ));
    fields(
        &mut text,
        account,
        &[
            ("Service name", "adit"),
            ("Provider type", "L2TP/IPsec"),
            ("Server hostname", &account.server),
            ("Authentication", "Pre-shared key"),
            ("Group name", "(empty)"),
        ],
        ["Pre-shared key", "Username", "Password"],
    );
    text
}

/// A line for each field; the names of the last three are those of key, user and password.
fn fields(
    text: &mut String,
    account: &Account,
    fixed: &[(&str, &str)],
    [key, user, password]: [&str; 3],
) {
    let hidden = "(from the administrator; `adit client` shows it with --with-secrets)";
    let shown = |secret: &'_ Option<Zeroizing<String>>| {
        let secret = secret.as_deref().map_or(hidden, String::as_str);
        Zeroizing::new(secret.to_owned())
    };
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("  {name:<22}{value}\n"));
    };
    for (name, value) in fixed {
        line(name, value);
    }
    line(key, &shown(&account.key));
    line(user, &account.user);
    line(password, &shown(&account.password));
}
