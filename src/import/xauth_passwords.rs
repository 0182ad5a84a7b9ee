//! libreswan's `ipsec.d/passwd`: users of XAuth, `user:hash:connection[:address]`. Their passwords
//! are hashed in a way that no login of PPP can be checked against.

use super::{Import, Source};

pub(super) fn map(source: Source, import: &mut Import) {
    let place = source.place();
    for (line, number) in source.bytes.split(|byte| *byte == b'\n').zip(1u32..) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let text = String::from_utf8_lossy(line);
        let mut fields = text.split(':');
        let user = fields.next().unwrap_or_default();
        // Without a colon it may be anything, a password among others.
        let (text, user) = match fields.next() {
            Some(_) => {
                let rest: Vec<&str> = fields.collect();
                (format!("{user}:(secret):{}", rest.join(":")), user)
            }
            None => ("(cannot be read)".to_owned(), "USER"),
        };
        let id = import.report.add(&place.at_line(number), number, text);
        let why = format!(
            "a user of XAuth, whose password only its hash is known of: `adit user add {user}` \
             makes one of L2TP"
        );
        import.report.dropped_for_clients(id, why);
    }
}

#[cfg(test)]
mod tests {
    use crate::import::testing::{import, lines};

    #[test]
    fn users_are_named_and_hashes_are_not() {
        let text = "# users\nann:$1$hush$hush:xauth-psk\nbob:$1$hush:xauth-psk:10.0.0.9\nhush\n";
        let import = import(&[("/etc/ipsec.d/passwd", text)]);
        let lines = lines(&import);
        assert_eq!(
            lines[0],
            "2 ann:(secret):xauth-psk: dropped!: a user of XAuth, whose password only its hash is \
             known of: `adit user add ann` makes one of L2TP"
        );
        assert!(lines[1].starts_with("3 bob:(secret):xauth-psk:10.0.0.9: dropped!"));
        assert!(lines[2].starts_with("4 (cannot be read): dropped!"));
    }
}
