//! Windows: the cmdlets of its module VpnClient.

use zeroize::Zeroizing;

use super::quoting::powershell;
use super::{Account, CONNECTION};
use crate::config::Authentication;

/// The lines.
pub(super) fn lines(account: &Account) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    text.push_str(&format!(
        "# The connection {CONNECTION} of {} for this user of Windows; in PowerShell.\n",
        visible(&account.user)
    ));
    let key = account
        .key
        .as_ref()
        .map_or_else(|| "$key".to_owned(), |key| powershell(key));
    let mut cmdlets = connection(account, &key);
    cmdlets.push('\n');
    for network in &account.routes {
        let route = powershell(&network.to_string());
        cmdlets.push_str(&format!(
            "Add-VpnConnectionRoute -ConnectionName {CONNECTION} -DestinationPrefix {route}\n"
        ));
    }
    if account.key.is_some() {
        text.push_str(&cmdlets);
    } else {
        // In braces, so that what is pasted into a shell is not read as the key.
        text.push_str(&format!(
            "& {{\n$key = Read-Host 'Pre-shared key'\n{cmdlets}}}\n"
        ));
    }
    text.push_str(
        "# At the first connection Windows asks for user name and password, and keeps them:\n",
    );
    text.push_str(&format!("#   User name  {}\n", visible(&account.user)));
    if let Some(password) = &account.password {
        text.push_str(&format!("#   Password   {}\n", visible(password)));
    }
    text
}

/// The line that makes the connection. `key` is what stands for the pre-shared key in PowerShell.
pub(crate) fn connection(account: &Account, key: &str) -> String {
    let method = |method: &Authentication| match method {
        Authentication::MschapV2 => "MSChapv2",
        Authentication::Chap => "Chap",
        Authentication::Pap => "Pap",
    };
    let methods: Vec<&str> = account.authentication.iter().map(method).collect();
    let mut line = format!(
        "Add-VpnConnection -Name {CONNECTION} -ServerAddress {} -TunnelType L2tp -L2tpPsk {key} \
         -AuthenticationMethod {} -EncryptionLevel Required -RememberCredential -Force",
        powershell(&account.server),
        methods.join(","),
    );
    if !account.routes.is_empty() {
        line.push_str(" -SplitTunneling");
    }
    if !account.domain.is_empty() {
        line.push_str(&format!(" -DnsSuffix {}", powershell(&account.domain)));
    }
    line
}

/// Within a comment, which must not end where a name has a line feed.
fn visible(text: &str) -> String {
    let shown = |c| if wire::is_printable(c) { c } else { '\u{fffd}' };
    text.chars().map(shown).collect()
}
