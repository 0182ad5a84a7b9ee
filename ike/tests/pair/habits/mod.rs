//! The habits of clients: what each puts on the wire, and that it gets in and stays in.

mod ending;
mod opened;
mod profiles;
mod recorded;
mod staying;
mod table;

use ike::codec::{ExchangeType, PayloadType};
use ike::{Config, Habits, LegacyOption, Policy};
use opened::{Message, opened};

use crate::harness::{Pair, quiet, seconds};

/// A client of these habits and a server with these options; nothing has been sent.
fn pair(habits: Habits, options: &[LegacyOption]) -> Pair {
    let server = Config {
        policy: Policy::new(options),
        timing: quiet(),
        ..Config::default()
    };
    let client = Config {
        timing: quiet(),
        ..Config::default()
    };
    let mut pair = Pair::with(1, client, server);
    pair.habits = habits;
    pair
}

/// The same, connected, and half a minute old.
fn connected(habits: Habits, options: &[LegacyOption]) -> Pair {
    let mut pair = pair(habits, options);
    pair.connect();
    pair.run_for(seconds(30));
    pair
}

/// The first of the messages of an exchange.
fn first(messages: &[Message], exchange: ExchangeType) -> &Message {
    let found = messages.iter().find(|message| message.exchange == exchange);
    found.expect("a message of this exchange")
}

/// The payloads of one kind.
fn bodies(message: &Message, kind: PayloadType) -> Vec<&[u8]> {
    let of_kind = message.payloads.iter().filter(|(found, _)| *found == kind);
    of_kind.map(|(_, body)| body.as_slice()).collect()
}

/// The Quick Modes and Informational messages of the client.
fn later(pair: &Pair) -> Vec<Message> {
    let mut messages = opened(pair);
    messages.retain(|message| message.exchange != ExchangeType::MAIN_MODE);
    messages
}
