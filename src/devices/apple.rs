//! macOS and iOS: a configuration profile with a payload `com.apple.vpn.managed`.

use rand_core::Rng as _;
use zeroize::Zeroizing;

use super::quoting::{base64, xml};
use super::{Account, CONNECTION};

/// The profile.
///
/// # Errors
/// When a name holds a character that XML cannot (XML 1.0 §2.2).
pub(super) fn profile(account: &Account, rng: &mut wire::Rng) -> Result<Zeroizing<String>, String> {
    for (what, text) in [("user", &account.user), ("server", &account.server)] {
        if text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
        {
            return Err(format!(
                "the name of the {what} holds a character that a configuration profile cannot"
            ));
        }
    }
    let mut text = Zeroizing::new(String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n",
    ));
    if account.key.is_none() {
        text.push_str(
            "<!-- Pre-shared key and password are not in here: they are typed in on the device, where \
             it asks\n     for them or in the settings of the connection (\"Shared Secret\", \
             \"Password\"). -->\n",
        );
    }
    let (name, server, user) = (CONNECTION, xml(&account.server), xml(&account.user));
    // The same for the same account, so that a newer profile takes the place of an older one.
    let identifier = format!("adit.{server}.{user}");
    let mut ppp = Zeroizing::new(format!(
        "        <key>AuthName</key><string>{user}</string>\n        \
         <key>CommRemoteAddress</key><string>{server}</string>\n"
    ));
    if let Some(password) = &account.password {
        let password = Zeroizing::new(xml(password));
        ppp.push_str(&format!(
            "        <key>AuthPassword</key><string>{}</string>\n",
            *password
        ));
    }
    let mut ipsec = Zeroizing::new(String::from(
        "        <key>AuthenticationMethod</key><string>SharedSecret</string>\n",
    ));
    if let Some(key) = &account.key {
        ipsec.push_str(&format!(
            "        <key>SharedSecret</key><data>{}</data>\n",
            base64(key.as_bytes())
        ));
    }
    // With a split tunnel the device asks for the routes (DHCPINFORM), and is told `clients.routes`.
    let everything = u8::from(account.routes.is_empty());
    text.push_str(&format!(
        "<plist version=\"1.0\">
<dict>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>{identifier}</string>
  <key>PayloadUUID</key><string>{}</string>
  <key>PayloadDisplayName</key><string>{name}: {server}</string>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key><string>com.apple.vpn.managed</string>
      <key>PayloadVersion</key><integer>1</integer>
      <key>PayloadIdentifier</key><string>{identifier}.vpn</string>
      <key>PayloadUUID</key><string>{}</string>
      <key>PayloadDisplayName</key><string>{name}</string>
      <key>UserDefinedName</key><string>{name}</string>
      <key>VPNType</key><string>L2TP</string>
      <key>IPSec</key>
      <dict>
{}      </dict>
      <key>PPP</key>
      <dict>
{}      </dict>
      <key>IPv4</key>
      <dict>
        <key>OverridePrimary</key><integer>{everything}</integer>
      </dict>
    </dict>
  </array>
</dict>
</plist>
",
        uuid(rng),
        uuid(rng),
        *ipsec,
        *ppp,
    ));
    Ok(text)
}

/// RFC 9562 §5.4.
fn uuid(rng: &mut wire::Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{number:032X}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}
