//! The client's part: asking, and reading the answer.

use std::net::Ipv4Addr;

use rand_core::Rng as _;
use wire::Rng;

use super::habits::{Habits, Identifier, Item};
use super::message::{Message, MessageType, OptionCode, addresses};
use super::packet::{CLIENT_PORT, Packet, SERVER_PORT};
use super::routes::{self, Route};

/// Routes that are taken from one answer. A message of the usual length has room for a hundred.
const MOST_ROUTES: usize = 512;

/// A question that is asked until it is answered, or the tries are used up.
#[derive(Debug)]
pub(crate) struct Inform {
    habits: Habits,
    transaction: u32,
    guid: [u8; 16],
    sent: u32,
}

/// What a server told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Given {
    pub(crate) routes: Vec<Route>,
    pub(crate) domain: Option<String>,
    pub(crate) dns: Vec<Ipv4Addr>,
}

impl Inform {
    pub(crate) fn new(habits: Habits, rng: &mut Rng) -> Self {
        let mut guid = [0; 16];
        rng.fill_bytes(&mut guid);
        Self {
            habits,
            transaction: rng.next_u32(),
            guid,
            sent: 0,
        }
    }

    pub(crate) fn habits(&self) -> &Habits {
        &self.habits
    }

    /// Whether there are tries left.
    pub(crate) fn goes_on(&self) -> bool {
        self.sent < self.habits.tries
    }

    /// The next request, as an IP packet from `local` to everybody on the link.
    pub(crate) fn request(&mut self, local: Ipv4Addr) -> Option<Vec<u8>> {
        let message = self.message(local).emit();
        self.sent = self.sent.saturating_add(1);
        let packet = Packet {
            source: (local, CLIENT_PORT),
            destination: (Ipv4Addr::BROADCAST, SERVER_PORT),
            identification: u16::try_from(self.sent).unwrap_or(u16::MAX),
            time_to_live: self.habits.time_to_live,
        };
        packet.around(&message)
    }

    fn message(&self, local: Ipv4Addr) -> Message {
        let habits = &self.habits;
        let interval = u32::try_from(habits.interval.as_secs()).unwrap_or(0);
        let elapsed =
            u32::from(habits.first_seconds).saturating_add(interval.saturating_mul(self.sent));
        let seconds = u16::try_from(elapsed).unwrap_or(u16::MAX);
        let mut hardware = [0; 16];
        hardware
            .iter_mut()
            .zip(&habits.hardware)
            .for_each(|(to, from)| *to = *from);
        let kind = (OptionCode::MESSAGE_TYPE, vec![MessageType::INFORM.0]);
        let items = habits.items.iter().map(|item| self.option(item));
        Message {
            op: Message::REQUEST,
            hardware_type: habits.hardware_type,
            hardware_len: u8::try_from(habits.hardware.len()).unwrap_or(16).min(16),
            transaction: self.transaction,
            seconds: if habits.seconds_swapped {
                seconds.swap_bytes()
            } else {
                seconds
            },
            client: local.octets(),
            hardware,
            options: std::iter::once(kind).chain(items).collect(),
            ..Message::default()
        }
    }

    fn option(&self, item: &Item) -> (OptionCode, Vec<u8>) {
        match item {
            Item::ClientIdentifier(Identifier::Guid) => (
                OptionCode::CLIENT_IDENTIFIER,
                [&[0], self.guid.as_slice()].concat(),
            ),
            Item::ClientIdentifier(Identifier::Hardware) => (
                OptionCode::CLIENT_IDENTIFIER,
                [
                    &[self.habits.hardware_type],
                    self.habits.hardware.as_slice(),
                ]
                .concat(),
            ),
            Item::HostName(name) => (OptionCode::HOST_NAME, name.as_bytes().to_vec()),
            Item::VendorClass(class) => (OptionCode::VENDOR_CLASS, class.as_bytes().to_vec()),
            Item::Parameters(codes) => (
                OptionCode::PARAMETERS,
                codes.iter().map(|code| code.0).collect(),
            ),
        }
    }

    /// Reads the answer; `None` if it is not one to this question. RFC 3442: where both options
    /// with routes are there, 121 counts.
    pub(crate) fn answer(&self, message: &Message) -> Option<Given> {
        let ours = message.op == Message::REPLY
            && message.transaction == self.transaction
            && message.message_type() == Some(MessageType::ACK);
        if !ours || self.sent == 0 {
            return None;
        }
        let of = |code| message.option(code);
        let value = of(OptionCode::CLASSLESS_ROUTES).or_else(|| of(OptionCode::MICROSOFT_ROUTES));
        let mut routes = match value {
            Some(value) => routes::parse(&value).ok()?,
            None => Vec::new(),
        };
        routes.truncate(MOST_ROUTES);
        let dns = of(OptionCode::NAME_SERVERS).unwrap_or_default();
        Some(Given {
            routes,
            domain: of(OptionCode::DOMAIN_NAME).and_then(|value| domain(&value)),
            dns: addresses(&dns).collect(),
        })
    }
}

/// A domain fit for reports and resolvers. QUIRK(Windows Server): its DHCP server puts a NUL behind
/// the name.
fn domain(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim_end_matches('\0');
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.chars().all(fit)).then(|| text.to_owned())
}
