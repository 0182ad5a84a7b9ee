//! What the two processes say to each other.
//!
//! A frame is its length in four bytes, then its kind in one, then its content.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::net::{Datagram, Protocol};

/// What goes through the pipe.
#[derive(Debug)]
pub enum Frame {
    /// A datagram, either way.
    Datagram(Datagram),
    /// To the clients: so many of you shall be connected. From them: so many are, and have had an
    /// answer to their ping.
    Connected(u32),
}

/// No datagram is longer than this, and so no frame.
const LONGEST: usize = 65_536 + 32;

/// One end of the pipe.
#[derive(Debug)]
pub struct Pipe {
    stream: UnixStream,
    /// What has been read and is not a whole frame yet.
    read: Vec<u8>,
    /// Where the next frame is written together.
    written: Vec<u8>,
}

impl Pipe {
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            read: Vec::with_capacity(LONGEST),
            written: Vec::with_capacity(LONGEST),
        }
    }

    /// The same pipe, for another thread.
    pub fn second(&self) -> io::Result<Self> {
        self.stream.try_clone().map(Self::new)
    }

    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let out = &mut self.written;
        out.clear();
        out.extend([0; 4]);
        match frame {
            Frame::Datagram(Datagram {
                src,
                dst,
                protocol,
                bytes,
            }) => {
                out.push(match protocol {
                    Protocol::Udp => 17,
                    Protocol::Esp => 50,
                });
                for end in [src, dst] {
                    let IpAddr::V4(address) = end.ip() else {
                        panic!("{end} is not IPv4")
                    };
                    out.extend(address.octets());
                    out.extend(end.port().to_be_bytes());
                }
                out.extend(bytes);
            }
            Frame::Connected(count) => {
                out.push(0);
                out.extend(count.to_be_bytes());
            }
        }
        let length = u32::try_from(out.len() - 4).expect("a short frame");
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(out)
    }

    /// The next frame, or nothing if there is none for so long.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] when the other process has ended.
    pub fn receive(&mut self, patience: Option<Duration>) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.next_read() {
                return Ok(Some(frame));
            }
            // Zero would mean to wait for ever.
            let patience = patience.map(|patience| patience.max(Duration::from_micros(100)));
            self.stream.set_read_timeout(patience)?;
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.read.extend(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A whole frame out of what has been read.
    fn next_read(&mut self) -> Option<Frame> {
        let length = u32::from_be_bytes(*self.read.first_chunk()?) as usize;
        let frame = parse(self.read.get(4..4 + length)?);
        self.read.drain(..4 + length);
        Some(frame)
    }
}

/// The other process is this same program: what it sends is well-formed.
fn parse(frame: &[u8]) -> Frame {
    let (kind, content) = frame.split_first().expect("a kind");
    let protocol = match kind {
        17 => Protocol::Udp,
        50 => Protocol::Esp,
        _ => return Frame::Connected(u32::from_be_bytes(content.try_into().expect("a number"))),
    };
    let (ends, bytes) = content.split_first_chunk::<12>().expect("two addresses");
    let end = |at: usize| {
        let address = Ipv4Addr::new(ends[at], ends[at + 1], ends[at + 2], ends[at + 3]);
        SocketAddr::new(
            address.into(),
            u16::from_be_bytes([ends[at + 4], ends[at + 5]]),
        )
    };
    Frame::Datagram(Datagram {
        src: end(0),
        dst: end(6),
        protocol,
        bytes: bytes.to_vec(),
    })
}
