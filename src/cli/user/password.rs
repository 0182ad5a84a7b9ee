//! Passwords: from a file, from standard input, from whoever sits before it, or made up.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use wire::Secret;
use zeroize::Zeroizing;

use super::Password;
use crate::cli::Failure;
use crate::compat::chap_secrets::write;
use crate::random;

/// Longest line that is read, in bytes.
const LONGEST: u64 = 4096;

/// Standard input: a value, so that tests need not have a terminal.
pub enum Input<'a> {
    /// A terminal, where people type.
    Terminal,
    /// Anything else: its first line is the password.
    Reader(&'a mut dyn Read),
}

/// The password, and its text if it was made up.
pub(super) fn read(
    from: &Password,
    input: &mut Input<'_>,
    rng: &mut wire::Rng,
) -> Result<(Secret, Option<Zeroizing<String>>), Failure> {
    if from.generate {
        let text = random::text(rng, random::PASSWORD_LENGTH);
        return Ok((Secret::from(text.as_bytes()), Some(text)));
    }
    let line = match &from.password_file {
        Some(path) if path != Path::new("-") => {
            let failed = |error| Failure::Failed(format!("{}: {error}", path.display()));
            first_line(&mut File::open(path).map_err(failed)?).map_err(failed)?
        }
        _ => match input {
            Input::Terminal => ask()?,
            Input::Reader(reader) => first_line(*reader)
                .map_err(|error| Failure::Failed(format!("standard input: {error}")))?,
        },
    };
    match write::check_password(&line) {
        Ok(()) => Ok((Secret::from(&line[..]), None)),
        // Of a password nothing is stored that pppd could misread.
        Err(write::Unwritable::File | write::Unwritable::TooLong(_)) if from.nt_hash => {
            Ok((Secret::from(&line[..]), None))
        }
        Err(why) => Err(Failure::Usage(format!("the password {why}"))),
    }
}

/// The first line, without its end.
fn first_line(reader: &mut dyn Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // With room for all of it, so that no copy is left behind.
    let mut text = Zeroizing::new(Vec::with_capacity(8192));
    reader.take(LONGEST).read_to_end(&mut text)?;
    let end = text.iter().position(|byte| *byte == b'\n');
    let line = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Zeroizing::new(line.to_vec()))
}

/// Asks twice, without showing what is typed.
fn ask() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let asked = || -> io::Result<_> { Ok((hidden("Password: ")?, hidden("Again: ")?)) };
    let (first, second) =
        asked().map_err(|error| Failure::Failed(format!("the terminal: {error}")))?;
    match first == second {
        true => Ok(first),
        false => Err(Failure::Failed("the two passwords differ".to_owned())),
    }
}

/// What is typed in one line. Signals of the keyboard are bytes meanwhile: killed by one of them the
/// program would leave a terminal behind that shows nothing.
fn hidden(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    const INTERRUPT: u8 = 3;
    let terminal = io::stdin();
    let before = tcgetattr(&terminal)?;
    let mut quiet = before.clone();
    quiet.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
    write!(io::stderr(), "{question}")?;
    tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
    let line = one_line();
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    writeln!(io::stderr())?;
    let line = line?;
    match line.contains(&INTERRUPT) {
        true => Err(ErrorKind::Interrupted.into()),
        false => Ok(line),
    }
}

/// Byte by byte past the buffer of standard input, which is not wiped.
fn one_line() -> io::Result<Zeroizing<Vec<u8>>> {
    const MOST: usize = 4096;
    let mut line = Zeroizing::new(Vec::with_capacity(MOST));
    let mut byte = Zeroizing::new([0]);
    while line.len() < MOST {
        if rustix::io::read(io::stdin(), &mut *byte)? == 0 || *byte == [b'\n'] {
            break;
        }
        line.extend_from_slice(&*byte);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (text, expected) in [
            ("pw", "pw"),
            ("pw\n", "pw"),
            ("p w \r\nmore\n", "p w "),
            ("\npw", ""),
        ] {
            let line = first_line(&mut text.as_bytes()).unwrap();
            assert_eq!(line.as_slice(), expected.as_bytes(), "{text:?}");
        }
    }
}
