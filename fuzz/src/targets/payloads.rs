//! ISAKMP messages in clear, and their payloads: what can be read can be written, and is written
//! the same after having been read again.

use ike::codec::{
    Certificate, CertificateRequest, Chain, ChainBuilder, Delete, Fragment, HashData, Header,
    Identification, KeyExchange, NatD, NatOa, Nonce, Notification, PayloadBody, PayloadType,
    Phase1Offer, Phase2Offer, Sa, Trailing, VendorId,
};

/// A whole message.
pub fn message(data: &[u8]) {
    let Ok((header, body)) = Header::parse(data) else {
        return;
    };
    let Ok(chain) = Chain::parse(header.next, body, Trailing::Padding) else {
        return;
    };
    let mut builder = ChainBuilder::new();
    for payload in chain.iter() {
        check(payload.kind, payload.body);
        builder.push(payload.kind, payload.body);
    }
    let written = builder.message(header);
    let (again, body) = Header::parse(&written).expect("a header that was written");
    assert_eq!(again, header);
    let other =
        Chain::parse(again.next, body, Trailing::Nothing).expect("a chain that was written");
    let parts = |chain: &Chain<'_>| -> Vec<(PayloadType, Vec<u8>)> {
        let payloads = chain.iter();
        payloads
            .map(|payload| (payload.kind, payload.body.to_vec()))
            .collect()
    };
    assert_eq!(parts(&other), parts(&chain));
}

/// One payload: its type, then its body.
pub fn payload(data: &[u8]) {
    if let Some((kind, body)) = data.split_first() {
        check(PayloadType(*kind), body);
    }
}

macro_rules! twice {
    ($kind:ty, $body:expr) => {{
        let read = <$kind>::parse($body);
        if let Ok(value) = &read {
            let again = <$kind>::parse(&value.to_body()).expect("what was written");
            assert_eq!(again.to_body(), value.to_body());
        }
        read.ok()
    }};
}

fn check(kind: PayloadType, body: &[u8]) {
    match kind {
        PayloadType::SA => {
            if let Some(sa) = twice!(Sa, body) {
                offers(&sa);
            }
        }
        PayloadType::KE => drop(twice!(KeyExchange, body)),
        PayloadType::ID => drop(twice!(Identification, body)),
        PayloadType::CERT => drop(twice!(Certificate, body)),
        PayloadType::CERT_REQ => drop(twice!(CertificateRequest, body)),
        PayloadType::HASH => drop(twice!(HashData, body)),
        PayloadType::NONCE => drop(twice!(Nonce, body)),
        PayloadType::NOTIFICATION => drop(twice!(Notification, body)),
        PayloadType::DELETE => drop(twice!(Delete, body)),
        PayloadType::VENDOR_ID => drop(twice!(VendorId, body)),
        PayloadType::NAT_D | PayloadType::NAT_D_DRAFT_02 | PayloadType::NAT_D_DRAFT_04 => {
            drop(twice!(NatD, body));
        }
        PayloadType::NAT_OA | PayloadType::NAT_OA_DRAFT_02 => drop(twice!(NatOa, body)),
        PayloadType::FRAGMENT => drop(twice!(Fragment, body)),
        _ => {}
    }
}

/// The attributes of each transform, as either phase understands them.
fn offers(sa: &Sa) {
    let proposals = sa.proposals.iter();
    for transform in proposals.flat_map(|proposal| &proposal.transforms) {
        let offer = Phase1Offer::read(transform);
        let lives = [offer.life_seconds, offer.life_kilobytes];
        if offer.unknown.is_empty() && are_short(lives) {
            assert_eq!(Phase1Offer::read(&offer.to_transform(1)), offer);
        }
        let offer = Phase2Offer::read(transform);
        let lives = [offer.life_seconds, offer.life_kilobytes];
        if offer.unknown.is_empty() && are_short(lives) {
            assert_eq!(Phase2Offer::read(&offer.to_transform(1)), offer);
        }
    }
}

/// Our own durations are written in no more than four bytes.
fn are_short(lives: [Option<u64>; 2]) -> bool {
    lives
        .into_iter()
        .flatten()
        .all(|life| u32::try_from(life).is_ok())
}
