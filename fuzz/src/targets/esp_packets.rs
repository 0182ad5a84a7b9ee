//! ESP packets: whatever comes is refused or opened the same way alone and in a batch, and what was sealed
//! opens as it was, unless a bit of it has changed.

use esp::{Incoming, Keys, Opened, Opener, Sealer, Suite};

use crate::input::Input;

const SPI: u32 = 0xcafe_f00d;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let suites: Vec<Suite> = Suite::all().collect();
    let suite = input.choose(&suites);
    let material = vec![7; suite.key_lengths().total()];
    let keys = || Keys::from_material(suite, &material).expect("enough for the keys");
    let opener = Opener::new(suite, &keys()).expect("keys of the right length");
    let sealer = Sealer::new(suite, SPI, &keys()).expect("keys of the right length");
    match input.byte() % 2 {
        0 => foreign(&opener, &mut input),
        _ => own(&sealer, &opener, &mut input),
    }
}

/// Packets of somebody who does not know the keys.
fn foreign(opener: &Opener, input: &mut Input<'_>) {
    let mut packets = Vec::new();
    while !input.is_empty() {
        packets.push(input.bytes().to_vec());
    }
    let alone: Vec<_> = packets
        .iter()
        .map(|packet| opener.open(&mut packet.clone()))
        .collect();
    for packet in &packets {
        if let Ok(opened) = opener.open_truncated(&mut packet.clone()) {
            assert!(opened.payload.end <= packet.len());
        }
    }
    let mut batch: Vec<_> = packets
        .iter_mut()
        .map(|packet| Incoming::new(packet))
        .collect();
    opener.open_batch(&mut batch);
    let together: Vec<_> = batch.into_iter().map(|packet| packet.outcome).collect();
    assert_eq!(alone, together);
}

fn own(sealer: &Sealer, opener: &Opener, input: &mut Input<'_>) {
    let (next_header, sequence) = (input.byte(), u32::from(input.number()).max(1));
    let (place, change) = (usize::from(input.number()), input.byte());
    let payload = input.rest();
    let mut bytes = vec![0; esp::MAX_HEADROOM];
    bytes.extend(payload);
    bytes.resize(bytes.len() + esp::MAX_TAILROOM, 0);
    let range = esp::MAX_HEADROOM..esp::MAX_HEADROOM + payload.len();
    let sealed = sealer
        .seal(sequence, next_header, &mut bytes, range)
        .expect("room enough");
    let mut packet = bytes[sealed].to_vec();
    let place = place % packet.len();
    packet[place] ^= change;
    let outcome = opener.open(&mut packet);
    if change != 0 {
        assert!(outcome.is_err(), "byte {place} was changed");
        return;
    }
    let Opened {
        sequence: found,
        next_header: kind,
        payload: range,
    } = outcome.expect("a packet as it was sealed");
    assert_eq!((found, kind), (sequence, next_header));
    assert_eq!(&packet[range], payload);
}
