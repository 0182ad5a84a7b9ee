//! The numbers of ISAKMP, IKE and the IPsec DOI, and their names in log sentences.
//!
//! Each registry is a newtype with constants. A number without a constant is kept as it is and
//! shows as `#17`, so that a log sentence can still quote it.

use std::fmt;

macro_rules! registry {
    ($(#[$doc:meta])* $name:ident($int:ty) {
        $($(#[$const_doc:meta])* $constant:ident = $value:literal, $shown:literal;)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$const_doc])* pub const $constant: Self = Self($value);)+

            /// The name of a known number.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($shown),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "#{}", self.0),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

registry! {
    /// What a payload is (RFC 2408 §3.1, RFC 3947, and the numbers of its drafts).
    PayloadType(u8) {
        /// End of the chain.
        NONE = 0, "none";
        /// Security association.
        SA = 1, "SA";
        /// Proposal: only inside an SA payload.
        PROPOSAL = 2, "Proposal";
        /// Transform: only inside a proposal.
        TRANSFORM = 3, "Transform";
        /// Key exchange.
        KE = 4, "KE";
        /// Identification.
        ID = 5, "ID";
        /// Certificate.
        CERT = 6, "CERT";
        /// Certificate request.
        CERT_REQ = 7, "CERTREQ";
        /// Hash.
        HASH = 8, "HASH";
        /// Signature.
        SIG = 9, "SIG";
        /// Nonce.
        NONCE = 10, "NONCE";
        /// Notification.
        NOTIFICATION = 11, "N";
        /// Delete.
        DELETE = 12, "D";
        /// Vendor id.
        VENDOR_ID = 13, "VID";
        /// Attributes of a configuration transaction (draft-ietf-ipsec-isakmp-mode-cfg).
        ATTRIBUTES = 14, "ATTR";
        /// NAT discovery in drafts 04 to 08 of RFC 3947. Other documents give 15 to SAK.
        NAT_D_DRAFT_04 = 15, "NAT-D (15)";
        /// NAT original address in drafts 04 to 08 of RFC 3947.
        NAT_OA_DRAFT_04 = 16, "NAT-OA (16)";
        /// NAT discovery (RFC 3947 §3.2).
        NAT_D = 20, "NAT-D";
        /// NAT original address (RFC 3947 §5.2).
        NAT_OA = 21, "NAT-OA";
        /// NAT discovery in drafts 02 and 03.
        NAT_D_DRAFT_02 = 130, "NAT-D (130)";
        /// NAT original address in drafts 02 and 03.
        NAT_OA_DRAFT_02 = 131, "NAT-OA (131)";
        /// A piece of a message (Cisco's and Microsoft's IKE fragmentation).
        FRAGMENT = 132, "FRAGMENT";
    }
}

registry! {
    /// Which exchange a message belongs to (RFC 2408 §3.1, RFC 2409 App. A).
    ExchangeType(u8) {
        /// Base.
        BASE = 1, "Base";
        /// Identity protection, which IKE calls Main Mode.
        MAIN_MODE = 2, "Main Mode";
        /// Authentication only.
        AUTHENTICATION_ONLY = 3, "Authentication Only";
        /// Aggressive Mode.
        AGGRESSIVE = 4, "Aggressive Mode";
        /// Informational.
        INFORMATIONAL = 5, "Informational";
        /// Configuration transaction (mode-cfg, Xauth).
        TRANSACTION = 6, "Transaction";
        /// Quick Mode.
        QUICK_MODE = 32, "Quick Mode";
        /// New Group Mode.
        NEW_GROUP = 33, "New Group Mode";
    }
}

registry! {
    /// Whose SPI it is (RFC 2407 §4.4.1).
    ProtocolId(u8) {
        /// ISAKMP itself.
        ISAKMP = 1, "ISAKMP";
        /// AH.
        AH = 2, "AH";
        /// ESP.
        ESP = 3, "ESP";
        /// IP compression.
        IPCOMP = 4, "IPCOMP";
    }
}

registry! {
    /// The classes of phase 1 attributes (RFC 2409 App. A).
    Phase1Attribute(u16) {
        /// Encryption algorithm: [`EncryptionId`].
        ENCRYPTION = 1, "encryption";
        /// Hash algorithm: [`HashId`].
        HASH = 2, "hash";
        /// Authentication method: [`AuthMethod`].
        AUTH_METHOD = 3, "authentication";
        /// Group description: [`GroupId`].
        GROUP = 4, "group";
        /// Group type.
        GROUP_TYPE = 5, "group type";
        /// Prime or irreducible polynomial of a group that is spelt out.
        GROUP_PRIME = 6, "group prime";
        /// Life type: [`LifeType`]; a duration follows.
        LIFE_TYPE = 11, "life type";
        /// Life duration in the unit of the life type before it.
        LIFE_DURATION = 12, "life duration";
        /// Pseudo-random function.
        PRF = 13, "PRF";
        /// Key length in bits.
        KEY_LENGTH = 14, "key length";
    }
}

registry! {
    /// The classes of phase 2 attributes (RFC 2407 §4.5).
    Phase2Attribute(u16) {
        /// Life type: [`LifeType`]; a duration follows.
        LIFE_TYPE = 1, "life type";
        /// Life duration in the unit of the life type before it.
        LIFE_DURATION = 2, "life duration";
        /// Group of perfect forward secrecy: [`GroupId`].
        GROUP = 3, "group";
        /// Encapsulation mode: [`EncapsulationMode`].
        ENCAPSULATION = 4, "encapsulation";
        /// Integrity algorithm: [`AuthAlgorithm`].
        AUTHENTICATION = 5, "authentication";
        /// Key length in bits.
        KEY_LENGTH = 6, "key length";
        /// Key rounds.
        KEY_ROUNDS = 7, "key rounds";
        /// Compression dictionary size.
        COMPRESSION_DICTIONARY = 8, "compression dictionary";
        /// Private compression algorithm.
        COMPRESSION_PRIVATE = 9, "private compression";
        /// ECN tunnel (RFC 3168 §9.2.1).
        ECN_TUNNEL = 10, "ECN tunnel";
        /// Extended sequence numbers (RFC 4304).
        EXTENDED_SEQUENCE = 11, "extended sequence numbers";
    }
}

registry! {
    /// Phase 1 encryption (RFC 2409 App. A, RFC 3602 §5.1).
    EncryptionId(u16) {
        /// DES-CBC.
        DES = 1, "DES-CBC";
        /// IDEA-CBC.
        IDEA = 2, "IDEA-CBC";
        /// Blowfish-CBC.
        BLOWFISH = 3, "Blowfish-CBC";
        /// RC5-R16-B64-CBC.
        RC5 = 4, "RC5-CBC";
        /// 3DES-CBC.
        TRIPLE_DES = 5, "3DES-CBC";
        /// CAST-CBC.
        CAST = 6, "CAST-CBC";
        /// AES-CBC; the key length attribute tells which.
        AES = 7, "AES-CBC";
        /// Camellia-CBC.
        CAMELLIA = 8, "Camellia-CBC";
    }
}

registry! {
    /// Phase 1 hash, whose HMAC is the PRF (RFC 2409 App. A).
    HashId(u16) {
        /// MD5.
        MD5 = 1, "MD5";
        /// SHA-1.
        SHA1 = 2, "SHA1";
        /// Tiger.
        TIGER = 3, "Tiger";
        /// SHA-256.
        SHA256 = 4, "SHA2-256";
        /// SHA-384.
        SHA384 = 5, "SHA2-384";
        /// SHA-512.
        SHA512 = 6, "SHA2-512";
    }
}

registry! {
    /// How the parties authenticate in phase 1 (RFC 2409 App. A).
    AuthMethod(u16) {
        /// Pre-shared key.
        PSK = 1, "pre-shared key";
        /// DSS signatures.
        DSS = 2, "DSS signature";
        /// RSA signatures.
        RSA_SIGNATURE = 3, "RSA signature";
        /// RSA encryption.
        RSA_ENCRYPTION = 4, "RSA encryption";
        /// RSA encryption, revised.
        RSA_ENCRYPTION_REVISED = 5, "revised RSA encryption";
        /// ECDSA on P-256 with SHA-256 (RFC 4754).
        ECDSA_256 = 9, "ECDSA-256 signature";
        /// ECDSA on P-384 with SHA-384.
        ECDSA_384 = 10, "ECDSA-384 signature";
        /// ECDSA on P-521 with SHA-512.
        ECDSA_521 = 11, "ECDSA-521 signature";
        /// Hybrid authentication, asked by the initiator.
        HYBRID_INIT_RSA = 64221, "Hybrid RSA";
        /// Xauth after a pre-shared key, the initiator being asked.
        XAUTH_INIT_PSK = 65001, "Xauth with pre-shared key";
        /// Xauth after RSA signatures, the initiator being asked.
        XAUTH_INIT_RSA = 65005, "Xauth with RSA signature";
    }
}

registry! {
    /// Diffie-Hellman groups (RFC 2409 §6, RFC 3526, RFC 5903).
    GroupId(u16) {
        /// 768-bit MODP.
        MODP_768 = 1, "MODP-768";
        /// 1024-bit MODP.
        MODP_1024 = 2, "MODP-1024";
        /// 1536-bit MODP.
        MODP_1536 = 5, "MODP-1536";
        /// 2048-bit MODP.
        MODP_2048 = 14, "MODP-2048";
        /// 3072-bit MODP.
        MODP_3072 = 15, "MODP-3072";
        /// 4096-bit MODP.
        MODP_4096 = 16, "MODP-4096";
        /// 6144-bit MODP.
        MODP_6144 = 17, "MODP-6144";
        /// 8192-bit MODP.
        MODP_8192 = 18, "MODP-8192";
        /// NIST P-256.
        ECP_256 = 19, "ECP-256";
        /// NIST P-384.
        ECP_384 = 20, "ECP-384";
        /// NIST P-521.
        ECP_521 = 21, "ECP-521";
        /// Curve25519.
        CURVE25519 = 31, "Curve25519";
    }
}

registry! {
    /// The unit of a life duration (RFC 2407 §4.5, RFC 2409 App. A).
    LifeType(u16) {
        /// Seconds.
        SECONDS = 1, "s";
        /// Kilobytes.
        KILOBYTES = 2, "KB";
    }
}

registry! {
    /// ESP transforms (RFC 2407 §4.4.4, RFC 3602 §5.2, RFC 4106 §8.2).
    EspTransformId(u8) {
        /// DES-CBC with an IV of 64 bits.
        DES = 2, "DES-CBC";
        /// 3DES-CBC.
        TRIPLE_DES = 3, "3DES-CBC";
        /// Blowfish-CBC.
        BLOWFISH = 7, "Blowfish-CBC";
        /// No encryption.
        NULL = 11, "NULL";
        /// AES-CBC; the key length attribute tells which.
        AES_CBC = 12, "AES-CBC";
        /// AES-CTR.
        AES_CTR = 13, "AES-CTR";
        /// AES-CCM with an ICV of 8 bytes.
        AES_CCM_8 = 14, "AES-CCM-8";
        /// AES-CCM with an ICV of 12 bytes.
        AES_CCM_12 = 15, "AES-CCM-12";
        /// AES-CCM with an ICV of 16 bytes.
        AES_CCM_16 = 16, "AES-CCM-16";
        /// AES-GCM with an ICV of 8 bytes.
        AES_GCM_8 = 18, "AES-GCM-8";
        /// AES-GCM with an ICV of 12 bytes.
        AES_GCM_12 = 19, "AES-GCM-12";
        /// AES-GCM with an ICV of 16 bytes.
        AES_GCM_16 = 20, "AES-GCM-16";
        /// Camellia-CBC.
        CAMELLIA = 22, "Camellia-CBC";
    }
}

registry! {
    /// Integrity algorithms of phase 2 (RFC 2407 §4.5, RFC 4868).
    AuthAlgorithm(u16) {
        /// HMAC-MD5-96.
        HMAC_MD5 = 1, "HMAC-MD5";
        /// HMAC-SHA1-96.
        HMAC_SHA1 = 2, "HMAC-SHA1";
        /// DES-MAC.
        DES_MAC = 3, "DES-MAC";
        /// Key-Per-Document-Key.
        KPDK = 4, "KPDK";
        /// HMAC-SHA2-256-128.
        HMAC_SHA256 = 5, "HMAC-SHA2-256";
        /// HMAC-SHA2-384-192.
        HMAC_SHA384 = 6, "HMAC-SHA2-384";
        /// HMAC-SHA2-512-256.
        HMAC_SHA512 = 7, "HMAC-SHA2-512";
        /// HMAC-RIPEMD.
        HMAC_RIPEMD = 8, "HMAC-RIPEMD";
        /// AES-XCBC-MAC-96.
        AES_XCBC = 9, "AES-XCBC";
    }
}

registry! {
    /// How ESP is wrapped (RFC 2407 §4.5, RFC 3947 §5.1 and its drafts).
    EncapsulationMode(u16) {
        /// Tunnel mode.
        TUNNEL = 1, "tunnel";
        /// Transport mode.
        TRANSPORT = 2, "transport";
        /// Tunnel mode in UDP.
        UDP_TUNNEL = 3, "UDP-encapsulated tunnel";
        /// Transport mode in UDP.
        UDP_TRANSPORT = 4, "UDP-encapsulated transport";
        /// Tunnel mode in UDP, drafts 02 and 03.
        UDP_TUNNEL_DRAFT = 61443, "UDP-encapsulated tunnel (draft)";
        /// Transport mode in UDP, drafts 02 and 03.
        UDP_TRANSPORT_DRAFT = 61444, "UDP-encapsulated transport (draft)";
    }
}

registry! {
    /// Kinds of identification (RFC 2407 §4.6.2.1).
    IdType(u8) {
        /// One IPv4 address.
        IPV4_ADDR = 1, "IPV4_ADDR";
        /// A host name.
        FQDN = 2, "FQDN";
        /// A user name with a host name.
        USER_FQDN = 3, "USER_FQDN";
        /// IPv4 address and mask.
        IPV4_ADDR_SUBNET = 4, "IPV4_ADDR_SUBNET";
        /// One IPv6 address.
        IPV6_ADDR = 5, "IPV6_ADDR";
        /// IPv6 address and mask.
        IPV6_ADDR_SUBNET = 6, "IPV6_ADDR_SUBNET";
        /// First and last IPv4 address.
        IPV4_ADDR_RANGE = 7, "IPV4_ADDR_RANGE";
        /// First and last IPv6 address.
        IPV6_ADDR_RANGE = 8, "IPV6_ADDR_RANGE";
        /// Distinguished name in DER.
        DER_ASN1_DN = 9, "DER_ASN1_DN";
        /// General name in DER.
        DER_ASN1_GN = 10, "DER_ASN1_GN";
        /// Opaque bytes.
        KEY_ID = 11, "KEY_ID";
    }
}

registry! {
    /// What a notification says (RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5.3).
    /// Below 16384: errors.
    NotifyType(u16) {
        /// INVALID-PAYLOAD-TYPE.
        INVALID_PAYLOAD_TYPE = 1, "INVALID-PAYLOAD-TYPE";
        /// DOI-NOT-SUPPORTED.
        DOI_NOT_SUPPORTED = 2, "DOI-NOT-SUPPORTED";
        /// SITUATION-NOT-SUPPORTED.
        SITUATION_NOT_SUPPORTED = 3, "SITUATION-NOT-SUPPORTED";
        /// INVALID-COOKIE.
        INVALID_COOKIE = 4, "INVALID-COOKIE";
        /// INVALID-MAJOR-VERSION.
        INVALID_MAJOR_VERSION = 5, "INVALID-MAJOR-VERSION";
        /// INVALID-MINOR-VERSION.
        INVALID_MINOR_VERSION = 6, "INVALID-MINOR-VERSION";
        /// INVALID-EXCHANGE-TYPE.
        INVALID_EXCHANGE_TYPE = 7, "INVALID-EXCHANGE-TYPE";
        /// INVALID-FLAGS.
        INVALID_FLAGS = 8, "INVALID-FLAGS";
        /// INVALID-MESSAGE-ID.
        INVALID_MESSAGE_ID = 9, "INVALID-MESSAGE-ID";
        /// INVALID-PROTOCOL-ID.
        INVALID_PROTOCOL_ID = 10, "INVALID-PROTOCOL-ID";
        /// INVALID-SPI.
        INVALID_SPI = 11, "INVALID-SPI";
        /// INVALID-TRANSFORM-ID.
        INVALID_TRANSFORM_ID = 12, "INVALID-TRANSFORM-ID";
        /// ATTRIBUTES-NOT-SUPPORTED.
        ATTRIBUTES_NOT_SUPPORTED = 13, "ATTRIBUTES-NOT-SUPPORTED";
        /// NO-PROPOSAL-CHOSEN.
        NO_PROPOSAL_CHOSEN = 14, "NO-PROPOSAL-CHOSEN";
        /// BAD-PROPOSAL-SYNTAX.
        BAD_PROPOSAL_SYNTAX = 15, "BAD-PROPOSAL-SYNTAX";
        /// PAYLOAD-MALFORMED.
        PAYLOAD_MALFORMED = 16, "PAYLOAD-MALFORMED";
        /// INVALID-KEY-INFORMATION.
        INVALID_KEY_INFORMATION = 17, "INVALID-KEY-INFORMATION";
        /// INVALID-ID-INFORMATION.
        INVALID_ID_INFORMATION = 18, "INVALID-ID-INFORMATION";
        /// INVALID-CERT-ENCODING.
        INVALID_CERT_ENCODING = 19, "INVALID-CERT-ENCODING";
        /// INVALID-CERTIFICATE.
        INVALID_CERTIFICATE = 20, "INVALID-CERTIFICATE";
        /// CERT-TYPE-UNSUPPORTED.
        CERT_TYPE_UNSUPPORTED = 21, "CERT-TYPE-UNSUPPORTED";
        /// INVALID-CERT-AUTHORITY.
        INVALID_CERT_AUTHORITY = 22, "INVALID-CERT-AUTHORITY";
        /// INVALID-HASH-INFORMATION.
        INVALID_HASH_INFORMATION = 23, "INVALID-HASH-INFORMATION";
        /// AUTHENTICATION-FAILED.
        AUTHENTICATION_FAILED = 24, "AUTHENTICATION-FAILED";
        /// INVALID-SIGNATURE.
        INVALID_SIGNATURE = 25, "INVALID-SIGNATURE";
        /// ADDRESS-NOTIFICATION.
        ADDRESS_NOTIFICATION = 26, "ADDRESS-NOTIFICATION";
        /// NOTIFY-SA-LIFETIME.
        NOTIFY_SA_LIFETIME = 27, "NOTIFY-SA-LIFETIME";
        /// CERTIFICATE-UNAVAILABLE.
        CERTIFICATE_UNAVAILABLE = 28, "CERTIFICATE-UNAVAILABLE";
        /// UNSUPPORTED-EXCHANGE-TYPE.
        UNSUPPORTED_EXCHANGE_TYPE = 29, "UNSUPPORTED-EXCHANGE-TYPE";
        /// UNEQUAL-PAYLOAD-LENGTHS.
        UNEQUAL_PAYLOAD_LENGTHS = 30, "UNEQUAL-PAYLOAD-LENGTHS";
        /// CONNECTED.
        CONNECTED = 16384, "CONNECTED";
        /// RESPONDER-LIFETIME: the responder's shorter lifetimes, as attributes.
        RESPONDER_LIFETIME = 24576, "RESPONDER-LIFETIME";
        /// REPLAY-STATUS.
        REPLAY_STATUS = 24577, "REPLAY-STATUS";
        /// INITIAL-CONTACT: the sender knows no older SA with the receiver.
        INITIAL_CONTACT = 24578, "INITIAL-CONTACT";
        /// R-U-THERE: the question of dead peer detection.
        R_U_THERE = 36136, "R-U-THERE";
        /// R-U-THERE-ACK: its answer.
        R_U_THERE_ACK = 36137, "R-U-THERE-ACK";
    }
}

impl NotifyType {
    /// Whether the number lies in the range of errors (RFC 2408 §3.14.1).
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}

impl EncapsulationMode {
    /// Transport mode, in whatever wrapping.
    pub const fn is_transport(self) -> bool {
        matches!(
            self,
            Self::TRANSPORT | Self::UDP_TRANSPORT | Self::UDP_TRANSPORT_DRAFT
        )
    }

    /// ESP in UDP.
    pub const fn is_udp(self) -> bool {
        matches!(
            self,
            Self::UDP_TUNNEL
                | Self::UDP_TRANSPORT
                | Self::UDP_TUNNEL_DRAFT
                | Self::UDP_TRANSPORT_DRAFT
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_have_names_and_others_keep_theirs() {
        assert_eq!(PayloadType::NAT_D.to_string(), "NAT-D");
        assert_eq!(GroupId(14).to_string(), "MODP-2048");
        assert_eq!(GroupId(4711).to_string(), "#4711");
        assert_eq!(format!("{:?}", NotifyType(36136)), "R-U-THERE");
    }

    #[test]
    fn notify_types_divide_into_errors_and_states() {
        assert!(NotifyType::NO_PROPOSAL_CHOSEN.is_error());
        assert!(NotifyType(8192).is_error());
        assert!(!NotifyType::CONNECTED.is_error());
        assert!(!NotifyType::INITIAL_CONTACT.is_error());
    }

    #[test]
    fn encapsulation_modes_know_their_wrapping() {
        let udp_transport = [4, 61444].map(EncapsulationMode);
        assert!(udp_transport.iter().all(|m| m.is_transport() && m.is_udp()));
        assert!(EncapsulationMode(2).is_transport() && !EncapsulationMode(2).is_udp());
        let tunnel = [1, 3, 61443].map(EncapsulationMode);
        assert!(tunnel.iter().all(|m| !m.is_transport()));
    }
}
