//! Linux: NetworkManager with its plug-in for L2TP.

use zeroize::Zeroizing;

use super::quoting::{base64, list_value, plain, shell};
use super::{Account, CONNECTION};

/// The lines.
pub(super) fn lines(account: &Account) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    text.push_str(
        "# For NetworkManager 1.22 or later with its plug-in for L2TP (package network-manager-l2tp; \
         -gnome\n# for the dialog), in a shell of the user or of root.\n",
    );
    let call = format!(
        "{}\nnmcli --ask connection up {CONNECTION}\n",
        connection(account)
    );
    if account.key.is_some() {
        text.push_str(&call);
    } else {
        // In braces, so that what is pasted into a shell is not read as the key.
        text.push_str(&format!(
            "{{\nprintf 'Pre-shared key: '; stty -echo; IFS= read -r key; stty echo; echo\n{call}}}\n"
        ));
    }
    text
}

/// The call that makes the connection. Without a key it takes that of the shell's variable `key`;
/// without a password it has it asked for.
pub(crate) fn connection(account: &Account) -> String {
    let mut data = format!(
        "gateway={}, user={}, ipsec-enabled=yes, password-flags={}, ipsec-psk=",
        list_value(&account.server),
        list_value(&account.user),
        // libnm's NMSettingSecretFlags: 0 kept by the system, 1 by the agent of the desktop.
        if account.password.is_some() { 0 } else { 1 },
    );
    // The plug-in takes "0s" and base64 for any key.
    let in_the_shell = match &account.key {
        Some(key) if plain(key) && !key.starts_with("0s") => {
            data.push_str(key);
            ""
        }
        Some(key) => {
            data.push_str(&format!("0s{}", base64(key.as_bytes())));
            ""
        }
        None => {
            data.push_str("0s");
            "\"$(printf %s \"$key\" | base64 -w 0)\""
        }
    };
    let mut call = format!(
        "nmcli connection add type vpn con-name {CONNECTION} vpn-type l2tp \\\n  vpn.data {}{in_the_shell}",
        shell(&data)
    );
    if let Some(password) = &account.password {
        let secrets = format!("password={}", list_value(password));
        call.push_str(&format!(" \\\n  vpn.secrets {}", shell(&secrets)));
    }
    if !account.routes.is_empty() {
        let routes: Vec<String> = account.routes.iter().map(ToString::to_string).collect();
        let routes = shell(&routes.join(", "));
        call.push_str(&format!(
            " \\\n  ipv4.never-default yes ipv4.routes {routes}"
        ));
    }
    if !account.domain.is_empty() {
        call.push_str(&format!(
            " \\\n  ipv4.dns-search {}",
            shell(&account.domain)
        ));
    }
    call
}
