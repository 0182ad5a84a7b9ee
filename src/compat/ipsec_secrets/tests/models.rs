//! How strongSwan and libreswan read a file of secrets, written down once more from the rules and
//! independently of the reader: whole files, entries out, and where reading ends early.

/// The words before the colon and the key of an entry with the type PSK.
pub(super) type Entry = (Vec<Vec<u8>>, Vec<u8>);

/// strongSwan: a line is an entry, and a bad one is the end.
pub(super) fn strongswan(file: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = left(line);
        if line.is_empty() || line[0] == b'#' || line.starts_with(b"include ") {
            continue;
        }
        match strongswan_line(line) {
            Some(Some(entry)) => entries.push(entry),
            Some(None) => {}
            None => break,
        }
    }
    entries
}

/// Outer none: malformed. Inner none: another type.
fn strongswan_line(line: &[u8]) -> Option<Option<Entry>> {
    let colon = if line.starts_with(b": ") && line.len() > 2 {
        0
    } else {
        1 + (0..line.len()).find(|at| line[*at..].starts_with(b" : "))?
    };
    let words = &line[..colon];
    let rest = left(&line[colon + 1..]);
    if rest.first().is_none_or(|byte| *byte == b'#') {
        return None;
    }
    let end = rest.iter().position(|byte| b" \t".contains(byte))?;
    let value = left(&rest[end..]);
    match &rest[..end] {
        b"PSK" => {}
        b"XAUTH" | b"EAP" | b"NTLM" | b"RSA" | b"ECDSA" | b"PKCS8" | b"P12" | b"PIN" => {
            return Some(None);
        }
        _ => return None,
    }
    let key = match value.first()? {
        b'#' => return None,
        quote @ (b'"' | b'\'') => {
            let end = value[1..].iter().position(|byte| byte == quote)?;
            value[1..=end].to_vec()
        }
        _ => {
            let word = value.split(|byte| b" \t".contains(byte)).next()?;
            let lower = word.to_ascii_lowercase();
            if lower.starts_with(b"0x") && word.len() > 2 {
                hex_from_the_right(&word[2..])
            } else if lower.starts_with(b"0s") && word.len() > 2 {
                base64_groups(&word[2..])
            } else {
                word.to_vec()
            }
        }
    };
    let mut ids = Vec::new();
    let mut rest = left(words);
    while let Some(first) = rest.first() {
        let (id, after) = if b"\"'".contains(first) {
            let end = 1 + rest[1..].iter().position(|byte| byte == first)?;
            (&rest[1..end], &rest[end + 1..])
        } else {
            let end = rest.iter().position(|byte| b" \t".contains(byte));
            rest.split_at(end.unwrap_or(rest.len()))
        };
        if !id.is_empty() {
            ids.push(id.to_vec());
        }
        rest = left(after);
    }
    Some(Some((ids, key)))
}

fn hex_from_the_right(digits: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut low = None;
    for digit in digits.iter().rev().filter(|byte| **byte != b':') {
        let digit = (*digit as char).to_digit(16).unwrap_or(0) as u8;
        match low.take() {
            None => low = Some(digit),
            Some(low) => bytes.push(digit * 16 + low),
        }
    }
    bytes.extend(low);
    bytes.reverse();
    bytes
}

fn base64_groups(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for group in text.chunks_exact(4) {
        let bits = group
            .iter()
            .fold(0u32, |bits, digit| bits << 6 | digit64(*digit).unwrap_or(0));
        let fill = group.iter().filter(|byte| **byte == b'=').count();
        let three = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
        bytes.extend(&three[..3usize.saturating_sub(fill)]);
    }
    bytes
}

fn digit64(byte: u8) -> Option<u32> {
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        .iter()
        .position(|known| *known == byte)
        .map(|digit| digit as u32)
}

/// libreswan: a token in the first column begins a record; a bad record is lost.
pub(super) fn libreswan(file: &[u8]) -> Vec<Entry> {
    let mut records: Vec<Vec<(Vec<u8>, u8)>> = Vec::new();
    for line in file.split(|byte| *byte == b'\n') {
        // C's strings end at a zero byte, and its buffer has an end.
        let line = line.split(|byte| *byte == 0).next().unwrap_or(b"");
        for (piece, line) in line.chunks(2047).enumerate() {
            let line = line.trim_ascii_end();
            let mut at = 0;
            while let Some((begin, end, token)) = token(line, at) {
                if begin == 0 {
                    records.push(Vec::new());
                }
                assert!(piece == 0, "lines of this length are not modelled");
                if let Some(record) = records.last_mut() {
                    record.push(token);
                }
                at = end;
            }
        }
    }
    records
        .iter()
        .filter_map(|record| libreswan_record(record))
        .collect()
}

/// The token at or after `at`: where it begins, where reading goes on, the token and its quote.
fn token(line: &[u8], at: usize) -> Option<(usize, usize, (Vec<u8>, u8))> {
    let begin = at + line[at..].iter().position(|byte| !b" \t".contains(byte))?;
    let rest = &line[begin..];
    match rest[0] {
        b'#' => None,
        quote @ (b'"' | b'\'' | b'`') => {
            let end = rest[1..].iter().position(|byte| *byte == quote);
            Some(match end {
                Some(end) => (begin, begin + end + 2, (rest[1..=end].to_vec(), quote)),
                // The quote stays a part of it.
                None => (begin, line.len(), (rest.to_vec(), 0)),
            })
        }
        _ if rest.starts_with(b"0t") => Some((begin, line.len(), (rest.to_vec(), 0))),
        _ => {
            let mut end = rest
                .iter()
                .position(|byte| b" \t".contains(byte))
                .unwrap_or(rest.len());
            if end > 1 && rest[end - 1] == b':' {
                end -= 1;
            }
            Some((begin, begin + end, (rest[..end].to_vec(), 0)))
        }
    }
}

fn libreswan_record(tokens: &[(Vec<u8>, u8)]) -> Option<Entry> {
    if tokens.first()?.0.eq_ignore_ascii_case(b"include") {
        return None;
    }
    let colon = tokens.iter().position(|(text, _)| text == b":")?;
    let ids = tokens[..colon]
        .iter()
        .map(|(text, _)| text.clone())
        .collect();
    let [(kind, _), (value, quote)] = &tokens[colon + 1..] else {
        return None;
    };
    if !kind.eq_ignore_ascii_case(b"psk") {
        return None;
    }
    if *quote == b'"' || *quote == b'\'' {
        return Some((ids, value.clone()));
    }
    let (prefix, data) = value.split_at_checked(2)?;
    let key = match &prefix.to_ascii_lowercase()[..] {
        _ if *quote != 0 => return None,
        b"0x" => {
            let mut bytes = Vec::new();
            let mut digits = data.iter().peekable();
            while let Some(high) = digits.next() {
                let low = digits.next()?;
                let value = |digit: &u8| (*digit as char).to_digit(16);
                bytes.push((value(high)? * 16 + value(low)?) as u8);
                if digits.len() > 1 && digits.peek() == Some(&&b'_') {
                    digits.next();
                }
            }
            bytes
        }
        b"0s" => strict_base64(data)?,
        b"0t" => data.to_vec(),
        _ => return None,
    };
    (!key.is_empty()).then_some((ids, key))
}

fn strict_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    for group in text.chunks(4) {
        let fill = group.iter().rev().take_while(|byte| **byte == b'=').count();
        let mut bits = 0;
        for byte in &group[..4 - fill] {
            bits = bits << 6 | digit64(*byte)?;
        }
        bits <<= 6 * fill;
        let (keep, rest) = match fill {
            0 => (3, 0),
            1 => (2, bits & 0xff),
            2 => (1, bits & 0xffff),
            _ => return None,
        };
        if rest != 0 {
            return None;
        }
        bytes.extend(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8][..keep]);
    }
    Some(bytes)
}

fn left(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| b" \t".contains(byte)).count();
    &text[blanks..]
}
