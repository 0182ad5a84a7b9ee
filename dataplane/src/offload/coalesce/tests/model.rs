//! Packets, and the cutting of super-packets, made the plain way and with nothing of the code that
//! is tested.

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ACK: u8 = 0x10;
pub const PSH: u8 = 0x08;
pub const FIN: u8 = 0x01;

/// The sum of RFC 1071 §1, two bytes at a time.
pub fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

pub fn put(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 2].copy_from_slice(&u16::try_from(value).unwrap().to_be_bytes());
}

pub fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Different bytes at different places.
pub fn filling(len: usize, from: usize) -> Vec<u8> {
    (from..from + len).map(|i| (i * 31 % 251) as u8).collect()
}

/// A packet to be.
#[derive(Debug, Clone)]
pub struct Packet {
    pub v6: bool,
    pub protocol: u8,
    /// Last bytes of the addresses.
    pub hosts: (u8, u8),
    pub ports: (u16, u16),
    pub tos: u8,
    pub label: u16,
    pub ttl: u8,
    pub df: bool,
    pub id: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn tcp(payload: usize) -> Self {
        Self {
            v6: false,
            protocol: TCP,
            hosts: (1, 2),
            ports: (40_000, 443),
            tos: 0,
            label: 0x1234,
            ttl: 64,
            df: true,
            id: 0xfffe,
            seq: 0xffff_f000,
            ack: 77,
            flags: ACK,
            window: 501,
            urgent: 0,
            // Two times nothing, and time stamps (RFC 7323 §3).
            options: vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            payload: filling(payload, 0),
        }
    }

    pub fn udp(payload: usize) -> Self {
        Self {
            protocol: UDP,
            ports: (5_000, 6_000),
            ..Self::tcp(payload)
        }
    }

    /// The same with something changed.
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }

    /// What its sender sends next, with so many bytes.
    pub fn next(&self, payload: usize) -> Self {
        self.with(|next| {
            next.seq = self.seq.wrapping_add(self.payload.len() as u32);
            next.id = self.id.wrapping_add(1);
            next.payload = filling(payload, next.id.into());
        })
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut packet = if self.v6 {
            let mut ip = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0, 0, 0];
            put(&mut ip, 2, self.label.into());
            ip.extend([self.protocol, self.ttl]);
            for host in [self.hosts.0, self.hosts.1] {
                ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
            }
            ip
        } else {
            let mut ip = vec![0x45, self.tos, 0, 0, 0, 0, 0, 0, self.ttl, self.protocol];
            put(&mut ip, 4, self.id.into());
            ip[6] = if self.df { 0x40 } else { 0 };
            ip.extend([0, 0, 10, 0, 0, self.hosts.0, 10, 0, 0, self.hosts.1]);
            ip
        };
        let start = packet.len();
        packet.extend(self.ports.0.to_be_bytes());
        packet.extend(self.ports.1.to_be_bytes());
        if self.protocol == TCP {
            packet.extend(self.seq.to_be_bytes());
            packet.extend(self.ack.to_be_bytes());
            packet.extend([((5 + self.options.len() / 4) << 4) as u8, self.flags]);
            packet.extend(self.window.to_be_bytes());
            packet.extend([0, 0]);
            packet.extend(self.urgent.to_be_bytes());
            packet.extend(&self.options);
        } else {
            packet.extend([0; 4]);
        }
        packet.extend(&self.payload);
        finish(&mut packet, start);
        packet
    }
}

impl Packet {
    /// As a host hands it over that leaves cutting and checksums to others.
    pub fn handed_over(&self, segment: usize) -> ([u8; 10], Vec<u8>) {
        let mut packet = self.bytes();
        let (start, addresses) = if self.v6 { (40, 8..40) } else { (20, 12..20) };
        let (kind, field, header_len) = match (self.protocol, self.v6) {
            (TCP, false) => (1, 16, 20 + self.options.len()),
            (TCP, true) => (4, 16, 20 + self.options.len()),
            _ => (5, 6, 8),
        };
        let len = (packet.len() - start) as u16;
        let pseudo = [&packet[addresses], &[0, self.protocol], &len.to_be_bytes()].concat();
        put(&mut packet, start + field, sum(&pseudo).into());
        let mut header = [1, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        for (i, value) in [start + header_len, segment, start, field]
            .into_iter()
            .enumerate()
        {
            let value = u16::try_from(value).unwrap().to_ne_bytes();
            header[2 + 2 * i..4 + 2 * i].copy_from_slice(&value);
        }
        (header, packet)
    }
}

/// Fills in the lengths and checksums of a packet whose transport begins at `start`.
pub fn finish(packet: &mut [u8], start: usize) {
    let len = packet.len();
    let (ip, transport) = packet.split_at_mut(start);
    let v6 = ip[0] >> 4 == 6;
    let protocol = if v6 { ip[6] } else { ip[9] };
    let mut covered = if v6 {
        put(ip, 4, len - start);
        ip[8..40].to_vec()
    } else {
        put(ip, 2, len);
        put(ip, 10, 0);
        let checksum = !sum(ip);
        put(ip, 10, checksum.into());
        ip[12..20].to_vec()
    };
    let field = if protocol == TCP { 16 } else { 6 };
    if protocol == UDP {
        put(transport, 4, len - start);
    }
    put(transport, field, 0);
    covered.extend([0, protocol]);
    covered.extend(((len - start) as u16).to_be_bytes());
    covered.extend(&*transport);
    let checksum = match !sum(&covered) {
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    put(transport, field, checksum.into());
}

/// Cuts what is written to the host as the host does. All that the header says is held against the
/// packet.
pub fn cut(header: [u8; 10], packet: &[u8]) -> Vec<Vec<u8>> {
    if header == [0; 10] {
        return vec![packet.to_vec()];
    }
    let says = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (header_len, segment, start, offset) = (says(2), says(4), says(6), says(8));
    let v6 = packet[0] >> 4 == 6;
    assert_eq!(start, if v6 { 40 } else { 20 });
    let protocol = if v6 { packet[6] } else { packet[9] };
    let (kind, place, transport_len) = match (protocol, v6) {
        (TCP, false) => (1, 16, usize::from(packet[start + 12] >> 4) * 4),
        (TCP, true) => (4, 16, usize::from(packet[start + 12] >> 4) * 4),
        (UDP, _) => (5, 6, 8),
        _ => panic!("neither TCP nor UDP"),
    };
    assert_eq!(header[..2], [1, kind]);
    assert_eq!((header_len, offset), (start + transport_len, place));
    assert!(packet.len() <= 65_535);

    // It is one large packet, with a checksum that lacks everything but the pseudo-header.
    let mut whole = packet.to_vec();
    let checksum = match !sum(&packet[start..]) {
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    put(&mut whole, start + place, checksum.into());
    let mut right = whole.clone();
    finish(&mut right, start);
    assert_eq!(whole, right);

    let (headers, payload) = packet.split_at(header_len);
    let count = payload.len().div_ceil(segment);
    assert!((2..=64).contains(&count), "{count} segments");
    let cut = payload.chunks(segment).enumerate().map(|(i, payload)| {
        let mut packet = [headers, payload].concat();
        if !v6 {
            let id = word(&packet, 4).wrapping_add(i as u16);
            put(&mut packet, 4, id.into());
        }
        if protocol == TCP {
            let seq = u32::from_be_bytes(packet[start + 4..start + 8].try_into().unwrap());
            let seq = seq.wrapping_add((i * segment) as u32);
            packet[start + 4..start + 8].copy_from_slice(&seq.to_be_bytes());
            if i + 1 < count {
                packet[start + 13] &= !(PSH | FIN);
            }
        }
        finish(&mut packet, start);
        packet
    });
    cut.collect()
}

/// Makes zero what has no meaning: the identification where nothing may be fragmented.
pub fn canonical(mut packet: Vec<u8>) -> Vec<u8> {
    let is_whole_v4 = packet.len() >= 20 && packet[0] == 0x45 && sum(&packet[..20]) == 0xffff;
    if is_whole_v4 && word(&packet, 6) == 0x4000 {
        packet[4..6].fill(0);
        put(&mut packet, 10, 0);
        let checksum = !sum(&packet[..20]);
        put(&mut packet, 10, checksum.into());
    }
    packet
}
