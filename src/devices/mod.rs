//! `adit client`: what a user's device needs to connect, in the form that the device takes.
//!
//! An [`Account`] is what there is to say; each device says it in its own way. Nothing in an account
//! is secret unless whoever asked wanted the secrets.

mod account;
mod apple;
mod linux;
mod quoting;
mod steps;
#[cfg(test)]
mod tests;
mod windows;

use clap::ValueEnum;
use zeroize::Zeroizing;

pub use account::{Account, own_address, server_address};
pub(crate) use linux::connection as nmcli;
pub(crate) use quoting::{powershell, shell};
pub(crate) use windows::connection as add_vpn_connection;

/// What the connection is called on the device.
pub(crate) const CONNECTION: &str = "adit";

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// Lines for PowerShell
    Windows,
    /// A configuration profile (.mobileconfig)
    Macos,
    /// A configuration profile (.mobileconfig)
    Ios,
    /// The nmcli call for NetworkManager-l2tp
    Linux,
    /// What to type in
    Android,
    /// What to type in
    Chromeos,
}

/// The text for a device.
///
/// # Errors
/// A sentence, when the device's form cannot hold what has to be in it.
pub fn text(
    device: Device,
    account: &Account,
    rng: &mut wire::Rng,
) -> Result<Zeroizing<String>, String> {
    match device {
        Device::Windows => Ok(windows::lines(account)),
        Device::Macos | Device::Ios => apple::profile(account, rng),
        Device::Linux => Ok(linux::lines(account)),
        Device::Android => Ok(steps::android(account)),
        Device::Chromeos => Ok(steps::chromeos(account)),
    }
}
