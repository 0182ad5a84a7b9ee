use super::*;

fn at(seconds: f64) -> Instant {
    Instant::from_boot(Duration::from_secs_f64(seconds))
}

fn channel(window: u16) -> Channel {
    let mut channel = Channel::new(Backoff::default(), 4, 1_000);
    channel.set_peer_window(window);
    channel
}

fn queue(channel: &mut Channel, count: usize) {
    (0..count).for_each(|n| channel.send(0, vec![n as u8]).unwrap());
}

/// Numbers of all that is sent now.
fn flight(channel: &mut Channel, now: Instant) -> Vec<u16> {
    let mut numbers = Vec::new();
    while let Some(segment) = channel.poll_transmit(now) {
        numbers.push(segment.ns);
    }
    numbers
}

fn acknowledge(channel: &mut Channel, now: Instant, nr: u16) -> bool {
    channel.receive(now, 0, nr, 0, &[]).1
}

#[test]
fn slow_start_doubles_per_round_trip_up_to_the_window() {
    let mut channel = channel(8);
    queue(&mut channel, 40);
    let mut flights = Vec::new();
    for _ in 0..6 {
        let sent = flight(&mut channel, at(0.0));
        flights.push(sent.len());
        for ns in sent {
            assert!(acknowledge(&mut channel, at(0.0), ns + 1));
            // Counted per round: nothing new is taken between the acknowledgements.
        }
    }
    assert_eq!(flights, [1, 2, 4, 8, 8, 8]);
}

#[test]
fn the_window_of_the_peer_is_never_exceeded() {
    for window in 1..=8 {
        let mut channel = channel(window);
        queue(&mut channel, 100);
        let (mut unacknowledged, mut acknowledged) = (0, 0);
        while acknowledged < 100 {
            unacknowledged += flight(&mut channel, at(0.0)).len() as u16;
            assert!(
                (1..=window).contains(&unacknowledged),
                "{unacknowledged} of {window}"
            );
            acknowledged += 1;
            unacknowledged -= 1;
            assert!(acknowledge(&mut channel, at(0.0), acknowledged));
        }
        assert!(channel.is_idle());
        assert_eq!(channel.deadline(), None);
    }
}

#[test]
fn a_window_of_zero_counts_as_one_and_an_unknown_one_as_four() {
    let mut zero = channel(0);
    queue(&mut zero, 3);
    assert_eq!(flight(&mut zero, at(0.0)), [0]);
    let mut unknown = Channel::new(Backoff::default(), 4, 1_000);
    queue(&mut unknown, 40);
    let mut last = 0;
    for nr in 1..20 {
        last = flight(&mut unknown, at(0.0))
            .last()
            .copied()
            .unwrap_or(last);
        assert!(last - (nr - 1) < 4);
        acknowledge(&mut unknown, at(0.0), nr);
    }
}

#[test]
fn after_a_timeout_one_message_goes_and_growth_slows_at_half_the_window() {
    let mut channel = channel(8);
    queue(&mut channel, 100);
    for nr in 1..=20 {
        flight(&mut channel, at(0.0));
        acknowledge(&mut channel, at(0.0), nr);
    }
    assert_eq!(
        flight(&mut channel, at(0.0)).last(),
        Some(&27),
        "eight in flight"
    );
    channel.handle_timeout(at(1.0));
    assert_eq!(flight(&mut channel, at(1.0)), [20], "only the oldest again");
    acknowledge(&mut channel, at(1.1), 21);
    assert_eq!(flight(&mut channel, at(1.1)), [21, 22]);
    acknowledge(&mut channel, at(1.2), 23);
    assert_eq!(
        flight(&mut channel, at(1.2)),
        [23, 24, 25, 26],
        "threshold reached"
    );
    acknowledge(&mut channel, at(1.3), 27);
    assert_eq!(
        flight(&mut channel, at(1.3)).len(),
        5,
        "one more per round trip"
    );
}

#[test]
fn retransmissions_wait_1_2_4_8_8_seconds() {
    let mut channel = channel(4);
    queue(&mut channel, 1);
    assert_eq!(flight(&mut channel, at(0.0)), [0]);
    let mut sent_at = Vec::new();
    let mut exhausted_at = None;
    while exhausted_at.is_none() {
        let deadline = channel.deadline().unwrap();
        channel.handle_timeout(deadline);
        match channel.is_exhausted() {
            true => exhausted_at = Some(deadline),
            false => {
                assert!(channel.poll_transmit(deadline).unwrap().repeated);
                sent_at.push(deadline.since_boot().as_secs());
            }
        }
    }
    assert_eq!(sent_at, [1, 3, 7, 15, 23]);
    assert_eq!(exhausted_at, Some(at(31.0)));
    assert_eq!(Backoff::default().cycle(), Duration::from_secs(31));
}

#[test]
fn early_timeouts_do_nothing() {
    let mut channel = channel(4);
    channel.handle_timeout(at(5.0));
    queue(&mut channel, 1);
    flight(&mut channel, at(0.0));
    channel.handle_timeout(at(0.999));
    assert_eq!(flight(&mut channel, at(0.999)), []);
    assert_eq!(channel.deadline(), Some(at(1.0)));
}

#[test]
fn numbers_wrap_around_in_both_directions() {
    let (mut left, mut right) = (channel(4), channel(4));
    for n in 0..70_000u32 {
        left.send(7, n.to_be_bytes().to_vec()).unwrap();
        let segment = left.poll_transmit(at(0.0)).unwrap();
        assert_eq!(segment.ns, n as u16);
        let (ns, nr, body) = (segment.ns, segment.nr, segment.body.to_vec());
        assert_eq!(right.receive(at(0.0), ns, nr, 7, &body).0, Receipt::InOrder);
        assert_eq!(
            right.receive(at(0.0), ns, nr, 7, &body).0,
            Receipt::Duplicate
        );
        assert_eq!(right.deliver(), Some(Incoming { session: 7, body }));
        assert_eq!(right.deliver(), None);
        let (ns, nr) = right.poll_acknowledgement().unwrap();
        assert_eq!(
            left.receive(at(0.0), ns, nr, 0, &[]),
            (Receipt::Acknowledgement, true)
        );
        assert!(left.is_idle());
    }
}

#[test]
fn duplicates_are_acknowledged_again_and_not_delivered() {
    let mut channel = channel(4);
    channel.receive(at(0.0), 0, 0, 0, b"first");
    assert!(channel.deliver().is_some());
    assert_eq!(channel.poll_acknowledgement(), Some((0, 1)));
    assert_eq!(channel.poll_acknowledgement(), None);
    assert_eq!(
        channel.receive(at(9.0), 0, 0, 0, b"first").0,
        Receipt::Duplicate
    );
    assert_eq!(channel.deliver(), None);
    assert_eq!(channel.poll_acknowledgement(), Some((0, 1)));
}

#[test]
fn disorder_is_mended_within_the_window_and_dropped_beyond() {
    let mut channel = channel(4);
    for (ns, receipt) in [
        (2, Receipt::Held),
        (1, Receipt::Held),
        (1, Receipt::Duplicate),
        (4, Receipt::OutsideWindow),
        (3, Receipt::Held),
    ] {
        assert_eq!(
            channel.receive(at(0.0), ns, 0, 0, &[ns as u8]).0,
            receipt,
            "{ns}"
        );
        assert_eq!(channel.deliver(), None);
        assert_eq!(channel.poll_acknowledgement(), Some((0, 0)));
    }
    assert_eq!(channel.receive(at(0.0), 0, 0, 0, &[0]).0, Receipt::InOrder);
    let bodies: Vec<_> = std::iter::from_fn(|| channel.deliver())
        .map(|m| m.body)
        .collect();
    assert_eq!(bodies, [[0], [1], [2], [3]]);
    assert_eq!(channel.poll_acknowledgement(), Some((0, 4)));
}

#[test]
fn acknowledgements_of_nothing_sent_change_nothing() {
    let mut channel = channel(4);
    queue(&mut channel, 2);
    assert_eq!(flight(&mut channel, at(0.0)), [0]);
    assert!(
        !acknowledge(&mut channel, at(0.0), 2),
        "message 1 has not left"
    );
    assert!(!acknowledge(&mut channel, at(0.0), 0x7fff));
    assert!(
        acknowledge(&mut channel, at(0.0), 0xffff),
        "an old one is harmless"
    );
    assert!(!channel.is_idle());
    assert!(acknowledge(&mut channel, at(0.0), 1));
    assert_eq!(flight(&mut channel, at(0.0)), [1]);
}

#[test]
fn an_acknowledgement_of_an_earlier_round_counts() {
    let mut channel = channel(4);
    queue(&mut channel, 6);
    for nr in 1..=2 {
        flight(&mut channel, at(0.0));
        acknowledge(&mut channel, at(0.0), nr);
    }
    assert_eq!(
        flight(&mut channel, at(0.0)).last(),
        Some(&4),
        "2, 3, 4 are in flight"
    );
    channel.handle_timeout(at(1.0));
    assert_eq!(flight(&mut channel, at(1.0)), [2]);
    assert!(acknowledge(&mut channel, at(1.0), 5));
    let segment = channel.poll_transmit(at(1.0)).unwrap();
    assert_eq!((segment.ns, segment.repeated), (5, false));
}

#[test]
fn what_is_sent_acknowledges_what_was_received() {
    let mut channel = channel(4);
    channel.receive(at(0.0), 0, 0, 0, b"request");
    queue(&mut channel, 1);
    assert_eq!(
        channel.poll_transmit(at(0.0)).map(|segment| segment.nr),
        Some(1)
    );
    assert_eq!(channel.poll_acknowledgement(), None);
}

#[test]
fn the_queue_is_bounded() {
    let mut channel = Channel::new(Backoff::default(), 4, 2);
    assert_eq!(channel.send(0, vec![1]), Ok(()));
    assert_eq!(channel.send(0, vec![2]), Ok(()));
    assert_eq!(channel.send(0, vec![3]), Err(QueueFull));
}

#[test]
fn the_last_message_overtakes_those_never_sent_but_not_the_window() {
    let mut wide = channel(4);
    queue(&mut wide, 5);
    assert_eq!(flight(&mut wide, at(0.0)), [0]);
    wide.send_last(0, b"stop".to_vec());
    let segment = wide.poll_transmit(at(0.0)).unwrap();
    assert_eq!((segment.ns, segment.body), (1, &b"stop"[..]));

    let mut narrow = channel(1);
    queue(&mut narrow, 2);
    assert_eq!(flight(&mut narrow, at(0.0)), [0]);
    narrow.send_last(0, b"stop".to_vec());
    assert_eq!(narrow.poll_transmit(at(0.0)), None);
    acknowledge(&mut narrow, at(0.0), 1);
    assert_eq!(narrow.poll_transmit(at(0.0)).unwrap().body, b"stop");
}
