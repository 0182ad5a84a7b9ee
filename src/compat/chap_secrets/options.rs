//! The words after `--`: pppd's options for one user.

use std::net::Ipv4Addr;
use std::time::Duration;

use engine::Terms;

use super::reader::Notes;
use crate::compat::words::Word;

/// The smallest MTU and MRU that pppd takes, in bytes.
const SMALLEST_MTU: u16 = 128;

/// Reads the words into `terms`, and says which of them have no effect.
pub(super) fn read(words: &[Word], terms: &mut Terms, notes: &mut Notes<'_>) {
    let mut words = words.iter().map(|word| word.bytes.as_slice()).peekable();
    while let Some(word) = words.next() {
        match word {
            b"proxyarp" => terms.proxy_arp = Some(true),
            b"noproxyarp" => terms.proxy_arp = Some(false),
            b"mtu" | b"mru" | b"idle" | b"maxconnect" | b"ms-dns" | b"ms-wins" | b"ipparam"
            | b"set" | b"unset" => {
                let name = String::from_utf8_lossy(word);
                let Some(value) = words.next() else {
                    let message = format!("the option {name} lacks its value");
                    notes.warn(message, "it stands behind the option, after a blank");
                    return;
                };
                if let Err(why) = apply(word, value, terms) {
                    let message = format!("the option {name} has no effect: {why}");
                    notes.warn(message, "see docs/operations.md for the options of a user");
                }
            }
            _ => {
                // How many words belong to it is not known here.
                while words.next_if(|word| !is_known(word)).is_some() {}
                let message = format!("the option {} has no effect", shown(word));
                notes.warn(
                    message,
                    "remove it; what adit sets for everybody is in adit.toml",
                );
            }
        }
    }
}

fn is_known(word: &[u8]) -> bool {
    matches!(
        word,
        b"proxyarp"
            | b"noproxyarp"
            | b"mtu"
            | b"mru"
            | b"idle"
            | b"maxconnect"
            | b"ms-dns"
            | b"ms-wins"
            | b"ipparam"
            | b"set"
            | b"unset"
    )
}

/// Only what can be an option's name is shown: anything else may be part of a password.
fn shown(word: &[u8]) -> String {
    let is_name = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
    match std::str::from_utf8(word) {
        Ok(text) if word.iter().all(is_name) => format!("{text:?}"),
        _ => "after --".to_owned(),
    }
}

fn apply(name: &[u8], value: &[u8], terms: &mut Terms) -> Result<(), String> {
    let text = || std::str::from_utf8(value).unwrap_or_default();
    let address = || {
        let parsed: Result<Ipv4Addr, _> = text().parse();
        parsed.map_err(|_| "its value is not an IPv4 address".to_owned())
    };
    match name {
        b"mtu" => terms.mtu = Some(size(text())?),
        b"mru" => terms.mru = Some(size(text())?),
        b"idle" => terms.idle_timeout = Some(seconds(text())?),
        b"maxconnect" => terms.session_timeout = Some(seconds(text())?),
        b"ms-dns" => push(&mut terms.dns, address()?),
        b"ms-wins" => push(&mut terms.wins, address()?),
        b"ipparam" => terms.ip_param = Some(value.to_vec()),
        b"set" => {
            let mut parts = value.splitn(2, |byte| *byte == b'=');
            match (parts.next(), parts.next()) {
                (Some(name), Some(value)) if !name.is_empty() => {
                    terms.variables.push((name.to_vec(), value.to_vec()));
                }
                _ => return Err("its value is not NAME=VALUE".to_owned()),
            }
        }
        // Only those of this user can be meant: nobody else has any.
        _ => terms.variables.retain(|(name, _)| name != value),
    }
    Ok(())
}

/// As pppd does it, the last two count.
fn push(servers: &mut Option<[Option<Ipv4Addr>; 2]>, address: Ipv4Addr) {
    *servers = Some(match *servers {
        None => [Some(address), None],
        Some([first, None]) => [first, Some(address)],
        Some([_, second]) => [second, Some(address)],
    });
}

fn size(text: &str) -> Result<u16, String> {
    let number = number(text)?;
    u16::try_from(number)
        .ok()
        .filter(|size| *size >= SMALLEST_MTU)
        .ok_or_else(|| format!("its value is not from {SMALLEST_MTU} to {}", u16::MAX))
}

fn seconds(text: &str) -> Result<Duration, String> {
    number(text).map(|number| Duration::from_secs(number.into()))
}

/// A number as C reads it: 0x1f and 037 are 31.
fn number(text: &str) -> Result<u32, String> {
    let parsed = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16),
        (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8),
        _ => text.parse(),
    };
    parsed.map_err(|_| "its value is not a number".to_owned())
}
