//! The format of messages (RFC 2131 §2, RFC 2132).

use std::net::Ipv4Addr;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

/// The first four bytes of the options (RFC 2132 §2).
const MAGIC: u32 = 0x6382_5363;
/// Server name and boot file name: 64 and 128 bytes, which nobody needs here.
const NAMES_LEN: usize = 64 + 128;
/// Shorter messages are padded: relays of BOOTP drop them (RFC 1542 §2.1), and clients look for it.
const SHORTEST: usize = 300;
/// Options that one message can have: more are a mistake or a waste.
const MOST_OPTIONS: usize = 64;

/// What an option is (RFC 2132).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OptionCode(pub u8);

impl OptionCode {
    /// Fills up.
    pub const PAD: Self = Self(0);
    /// Subnet Mask.
    pub const SUBNET_MASK: Self = Self(1);
    /// Domain Name Servers.
    pub const NAME_SERVERS: Self = Self(6);
    /// Host Name.
    pub const HOST_NAME: Self = Self(12);
    /// Domain Name: what is searched.
    pub const DOMAIN_NAME: Self = Self(15);
    /// Vendor Specific Information.
    pub const VENDOR_SPECIFIC: Self = Self(43);
    /// NetBIOS over TCP/IP Name Servers.
    pub const NETBIOS_NAME_SERVERS: Self = Self(44);
    /// DHCP Message Type.
    pub const MESSAGE_TYPE: Self = Self(53);
    /// Server Identifier.
    pub const SERVER_IDENTIFIER: Self = Self(54);
    /// Parameter Request List.
    pub const PARAMETERS: Self = Self(55);
    /// Vendor Class Identifier.
    pub const VENDOR_CLASS: Self = Self(60);
    /// Client Identifier.
    pub const CLIENT_IDENTIFIER: Self = Self(61);
    /// Classless Static Routes (RFC 3442).
    pub const CLASSLESS_ROUTES: Self = Self(121);
    /// The same under Microsoft's number (MS-DHCPE §2.2.8).
    pub const MICROSOFT_ROUTES: Self = Self(249);
    /// Nothing follows.
    pub const END: Self = Self(255);
}

/// DHCP Message Type (RFC 2132 §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageType(pub u8);

impl MessageType {
    /// DHCPDISCOVER.
    pub const DISCOVER: Self = Self(1);
    /// DHCPREQUEST.
    pub const REQUEST: Self = Self(3);
    /// DHCPACK.
    pub const ACK: Self = Self(5);
    /// DHCPINFORM.
    pub const INFORM: Self = Self(8);
}

/// A message. Names in brackets are those of RFC 2131.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// 1 from clients, 2 from servers (op).
    pub op: u8,
    /// Kind of hardware address (htype).
    pub hardware_type: u8,
    /// Its length (hlen), which may be anything.
    pub hardware_len: u8,
    /// Relays that it went through (hops).
    pub hops: u8,
    /// Ties the answer to the request (xid).
    pub transaction: u32,
    /// How long the client has been at it, in seconds (secs).
    pub seconds: u16,
    /// Flags.
    pub flags: u16,
    /// The address a client has (ciaddr).
    pub client: [u8; 4],
    /// The address it is given (yiaddr).
    pub yours: [u8; 4],
    /// The next server (siaddr).
    pub server: [u8; 4],
    /// The relay (giaddr).
    pub relay: [u8; 4],
    /// Hardware address (chaddr).
    pub hardware: [u8; 16],
    /// In the order in which they stand; a value has at most 255 bytes.
    pub options: Vec<(OptionCode, Vec<u8>)>,
}

impl Message {
    /// `op` of what clients send.
    pub const REQUEST: u8 = 1;
    /// `op` of what servers send.
    pub const REPLY: u8 = 2;
    /// Bytes in front of the options, the magic cookie included.
    pub const FIXED_LEN: usize = 240;

    /// Reads a UDP payload. Options that stand in the fields of server and file name (RFC 2132
    /// §9.3) are not looked for.
    ///
    /// # Errors
    /// If it is cut off, or has no options at all and so is BOOTP.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        parse::finish(bytes, message)
    }

    /// Writes the message, padded to the shortest there may be. A value longer than an option can
    /// be is left out.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SHORTEST);
        out.put(&[self.op, self.hardware_type, self.hardware_len, self.hops]);
        out.put_u32(self.transaction);
        out.put_u16(self.seconds);
        out.put_u16(self.flags);
        for address in [self.client, self.yours, self.server, self.relay] {
            out.put(&address);
        }
        out.put(&self.hardware);
        out.put(&[0; NAMES_LEN]);
        out.put_u32(MAGIC);
        for (code, value) in &self.options {
            if let Ok(len) = u8::try_from(value.len()) {
                out.put(&[code.0, len]);
                out.put(value);
            }
        }
        out.put_u8(OptionCode::END.0);
        out.resize(out.len().max(SHORTEST), OptionCode::PAD.0);
        out
    }

    /// The value of an option; one that stands there several times is one that was cut in pieces
    /// (RFC 3396 §5).
    pub fn option(&self, code: OptionCode) -> Option<Vec<u8>> {
        let pieces = self.options.iter().filter(|(found, _)| *found == code);
        pieces.fold(None, |value: Option<Vec<u8>>, (_, piece)| {
            let mut value = value.unwrap_or_default();
            value.extend(piece);
            Some(value)
        })
    }

    /// What it wants.
    pub fn message_type(&self) -> Option<MessageType> {
        match self.option(OptionCode::MESSAGE_TYPE)?.as_slice() {
            [kind] => Some(MessageType(*kind)),
            _ => None,
        }
    }
}

/// The addresses in an option's value, as many as there are whole ones.
pub(super) fn addresses(value: &[u8]) -> impl Iterator<Item = Ipv4Addr> + '_ {
    let (quads, _) = value.as_chunks::<4>();
    quads.iter().map(|quad| Ipv4Addr::from(*quad))
}

fn array<'a, const N: usize>(what: &'static str, input: &'a [u8]) -> Parsed<'a, [u8; N]> {
    let (rest, bytes) = parse::take(what, N, input)?;
    match bytes.first_chunk::<N>() {
        Some(array) => Ok((rest, *array)),
        None => parse::fault(what, input),
    }
}

fn message(input: &[u8]) -> Parsed<'_, Message> {
    let (input, [op, hardware_type, hardware_len, hops]) = array("op to hops", input)?;
    let (input, transaction) = parse::be_u32("xid", input)?;
    let (input, seconds) = parse::be_u16("secs", input)?;
    let (input, flags) = parse::be_u16("flags", input)?;
    let (input, client) = array("ciaddr", input)?;
    let (input, yours) = array("yiaddr", input)?;
    let (input, server) = array("siaddr", input)?;
    let (input, relay) = array("giaddr", input)?;
    let (input, hardware) = array("chaddr", input)?;
    let (input, _) = parse::take("sname and file", NAMES_LEN, input)?;
    let (after, magic) = parse::be_u32("magic cookie", input)?;
    if magic != MAGIC {
        return parse::fault("magic cookie", input);
    }
    let (input, options) = options(after)?;
    let message = Message {
        op,
        hardware_type,
        hardware_len,
        hops,
        transaction,
        seconds,
        flags,
        client,
        yours,
        server,
        relay,
        hardware,
        options,
    };
    Ok((input, message))
}

/// Up to the end option, or to the end: some leave it out. What follows it is padding.
fn options(mut input: &[u8]) -> Parsed<'_, Vec<(OptionCode, Vec<u8>)>> {
    let mut options = Vec::new();
    while let Some((code, rest)) = input.split_first() {
        let code = OptionCode(*code);
        if code == OptionCode::END {
            break;
        }
        if code == OptionCode::PAD {
            input = rest;
            continue;
        }
        if options.len() == MOST_OPTIONS {
            return parse::fault("more options than there may be", input);
        }
        let (rest, len) = parse::u8("option length", rest)?;
        let (rest, value) = parse::take("option value", usize::from(len), rest)?;
        options.push((code, value.to_vec()));
        input = rest;
    }
    Ok((&[], options))
}
