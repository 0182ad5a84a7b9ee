//! The causes by their names, which are stable: they are in the log, and programs may compare.

use std::fmt;
use std::str::FromStr;

use super::{Explanation, table};

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What keeps a client from getting in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Cause {
            /// All of them, in the order of the stages.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its stable name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

causes! {
    /// No packet of the client reaches this server.
    NothingArrives = "nothing-arrives",
    /// The client looks for a certificate that it does not have.
    NoClientCertificate = "no-client-certificate",
    /// The client sends L2TP in clear.
    PlainL2tp = "plain-l2tp",
    /// It speaks IKEv2, or a version that does not exist.
    IkeVersion = "ike-version",
    /// It uses Aggressive Mode.
    AggressiveMode = "aggressive-mode",
    /// It does not offer authentication by pre-shared key.
    Certificate = "certificate",
    /// No phase 1 proposal in common.
    NoIkeProposal = "no-ike-proposal",
    /// Our answers do not reach it.
    Unheard = "unheard",
    /// It went silent after the key exchange.
    NeverFinished = "never-finished",
    /// There is no key for its address.
    NoKey = "no-key",
    /// It uses another key.
    WrongKey = "wrong-key",
    /// Too much is under way.
    Overload = "overload",
    /// All places are taken.
    Full = "full",
    /// Something in its IKE messages is not as it must be.
    IkeProtocol = "ike-protocol",
    /// It wants Xauth or mode config.
    Xauth = "xauth",
    /// No phase 2 proposal in common.
    NoEspProposal = "no-esp-proposal",
    /// It asks for tunnel mode.
    TunnelMode = "tunnel-mode",
    /// It wants ESP without UDP although there is NAT.
    NeedsUdpEncapsulation = "needs-udp-encapsulation",
    /// It wants to protect something else than L2TP.
    WrongTraffic = "wrong-traffic",
    /// It never began phase 2, or did not finish it.
    NoPhase2 = "no-phase-2",
    /// There are SAs, and no L2TP comes out of them.
    L2tpSilent = "l2tp-silent",
    /// The secrets of L2TP's own authentication differ.
    TunnelSecret = "tunnel-secret",
    /// Something in its L2TP messages is not as it must be.
    L2tpProtocol = "l2tp-protocol",
    /// It began a tunnel or a call and did not finish.
    L2tpUnfinished = "l2tp-unfinished",
    /// Nothing was heard of PPP.
    LcpSilent = "lcp-silent",
    /// LCP came to no agreement.
    LcpTimeout = "lcp-timeout",
    /// No authentication protocol in common.
    NoCommonAuthentication = "no-common-authentication",
    /// It never answered the question who it is.
    AuthenticationTimeout = "authentication-timeout",
    /// There is no such user.
    UnknownUser = "unknown-user",
    /// The password is wrong.
    WrongPassword = "wrong-password",
    /// Too many logins have failed, and the next has to wait.
    Slowed = "slowed",
    /// Too many logins of the user have failed, and nobody may log in as that user.
    LockedOut = "locked-out",
    /// There is a hash of the password, and CHAP with MD5 needs the password.
    PasswordHashed = "password-hashed",
    /// The user may not come with this pre-shared key.
    KeyOfAnotherUser = "key-of-another-user",
    /// The user has as many sessions as allowed.
    SessionsLimit = "sessions-limit",
    /// The users' file gives the user no address.
    NoAddressPermitted = "no-address-permitted",
    /// The fixed address of the user is somebody else's at the moment.
    AddressInUse = "address-in-use",
    /// All addresses are lent.
    NoAddressLeft = "no-address-left",
    /// The passwords could not be asked.
    UsersUnavailable = "users-unavailable",
    /// IPCP came to no agreement.
    IpcpFailed = "ipcp-failed",
    /// The client ended it itself.
    HungUp = "hung-up",
    /// The client is not heard any more.
    Gone = "gone",
    /// Something else.
    Other = "other",
}

impl Cause {
    /// What there is to say about it.
    pub fn explanation(self) -> &'static Explanation {
        table::explanation(self)
    }

    /// Whether a login that fails of it may have been a guess.
    pub(crate) const fn is_guess(self) -> bool {
        matches!(self, Self::UnknownUser | Self::WrongPassword)
    }

    /// The number with which a login that fails of it is refused (RFC 2759 §6): what MS-CHAPv2
    /// carries, and what Windows shows.
    pub const fn login_error(self) -> u32 {
        match self {
            // Known and proved, and still not let in.
            Self::SessionsLimit
            | Self::NoAddressPermitted
            | Self::AddressInUse
            | Self::NoAddressLeft => 649,
            // Whoever has not proved to be somebody learns nothing about that somebody.
            _ => 691,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Cause {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.iter();
        all.find(|cause| cause.name() == name).copied().ok_or(())
    }
}
