//! The options of pppd whose fate does not depend on anything else.

/// What becomes of an option, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept(&'static str),
    Changed(&'static str),
    WithoutEffect(&'static str),
    ClientSide(&'static str),
    Dropped(&'static str),
    DroppedForClients(&'static str),
}

/// The fate of the option of this name; none for those that are settings.
pub(super) fn fate(name: &str) -> Option<Fate> {
    let of_group =
        |(names, fate): &(&str, Fate)| names.split(' ').any(|known| known == name).then_some(*fate);
    let bare = || {
        let is_line = name.starts_with("/dev/") || name.starts_with("tty");
        let is_speed = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        (is_line || is_speed).then_some(WithoutEffect(SERIAL))
    };
    GROUPS.iter().find_map(of_group).or_else(bare)
}

const SERIAL: &str = "there is no serial line";

use Fate::{Changed, ClientSide, Dropped, DroppedForClients, Kept, WithoutEffect};

/// By what is said of them.
const GROUPS: &[(&str, Fate)] = &[
    (
        "crtscts cdtrcts nocrtscts nocdtrcts nodtrcts -crtscts modem local lock nolock \
         xonxoff stop-bits sync escape asyncmap default-asyncmap -am socket record \
         max-data-rate init ktune noktune notty pty welcome connect disconnect",
        WithoutEffect(SERIAL),
    ),
    (
        "connect-delay",
        WithoutEffect("it acts only with connect or pty, which xl2tpd does not use"),
    ),
    (
        "nodetach -detach updetach up_sdnotify silent passive -p dump dryrun kdebug privgroup \
         child-timeout ip-up-wait nopersist hide-password noremoteip debug-level",
        WithoutEffect("it is about how the process pppd runs"),
    ),
    ("noipx", WithoutEffect("there is no IPX any more")),
    (
        "refuse-pap -pap refuse-chap -chap refuse-mschap -mschap -chapms refuse-mschap-v2 \
         -mschap-v2 -chapms-v2 refuse-eap -eap",
        WithoutEffect("it is about pppd logging in at the client, which none asks for"),
    ),
    (
        "noipdefault ipcp-accept-local ipcp-accept-remote ipcp-no-address ipcp-no-addresses",
        WithoutEffect("the server's address is its own, and clients take the one they are given"),
    ),
    (
        "noccp -ccp nobsdcomp -bsdcomp nodeflate -deflate nopredictor1 -predictor1 novj -vj \
         novjccomp -vjccomp nomppe -mppe nomppe-40 nomppe-128 nomultilink nomp noipv6 -ipv6 \
         -v6 nodefaultroute -defaultroute nodefaultroute6 noreplacedefaultroute noendpoint",
        Kept("adit never does it"),
    ),
    (
        "noaccomp nopcomp -pc nomagic -mn default-mru -mru -all",
        WithoutEffect("clients and adit agree on that by themselves"),
    ),
    (
        "lcp-echo-adaptive",
        Kept("adit asks only clients that have been quiet"),
    ),
    (
        "bsdcomp deflate predictor1 vj vj-max-slots",
        Dropped("nothing is compressed; clients do without"),
    ),
    (
        "require-mppe require-mppe-40 require-mppe-128 mppe mppe-40 mppe-56 mppe-128 \
         mppe-required mppe-stateful",
        Changed("IPsec encrypts everything already, and better"),
    ),
    (
        "chap-restart chap-max-challenge chap-timeout pap-restart pap-max-authreq pap-timeout \
         eap-restart eap-max-rreq eap-max-sreq eap-timeout lcp-restart lcp-max-terminate \
         lcp-max-configure lcp-max-failure ipcp-restart ipcp-max-terminate ipcp-max-configure \
         ipcp-max-failure ipv6cp-restart ipv6cp-max-terminate ipv6cp-max-configure \
         ipv6cp-max-failure",
        Dropped("adit has timers of its own"),
    ),
    (
        "chap-interval eap-interval",
        Dropped("a client proves who it is once; its packets are authenticated by IPsec"),
    ),
    (
        "chapms-strip-domain",
        DroppedForClients(
            "DOMAIN\\user is looked up just so, and needs a line of its own in the users' file",
        ),
    ),
    (
        "login papcrypt enable-session",
        DroppedForClients(
            "accounts of the system are not asked for: users need lines in the users' file",
        ),
    ),
    (
        "require-eap +eap need-peer-eap need_peer_eap ca capath cert key crl crl-dir \
         max-tls-version tls-verify-method srp-interval srp-pn-secret",
        DroppedForClients("clients that log in with EAP only cannot: MS-CHAPv2 is what all have"),
    ),
    (
        "radius-config-file avpair map-to-ifname map-to-ttyname",
        DroppedForClients("users are not asked for at a RADIUS server"),
    ),
    (
        "ntlm_auth-helper",
        DroppedForClients("users of a Windows domain are not asked for"),
    ),
    (
        "maxoctets mo mo-direction mo-timeout",
        DroppedForClients("clients may send and get any number of bytes"),
    ),
    (
        "active-filter active-filter-in active-filter-out pass-filter pass-filter-in \
         pass-filter-out precompiled-active-filter precompiled-pass-filter",
        DroppedForClients("packets are not filtered here: write rules for the firewall instead"),
    ),
    (
        "ipv6 +ipv6 ipv6cp-accept-local ipv6cp-accept-remote ipv6cp-nosend ipv6cp-nosendip \
         ipv6cp-noremote ipv6cp-use-ipaddr ipv6cp-use-persistent ipv6-up-script \
         ipv6-down-script",
        DroppedForClients("clients are given IPv4 addresses only"),
    ),
    (
        "noip -ip",
        DroppedForClients("clients are always given IPv4 addresses"),
    ),
    (
        "usepeerdns usepeerwins noresolvconf netmask user password +ua remotename \
         remotenumber defaultroute defaultroute6 replacedefaultroute defaultroute-metric \
         persist holdoff maxfail demand",
        ClientSide("it is for a pppd that dials"),
    ),
    (
        "usehostname",
        DroppedForClients("the server's name is what is set: set ppp.name to the host's"),
    ),
    ("allow-number", Dropped("nobody dials a number")),
    (
        "allow-ip",
        Dropped("which addresses a user may have stands in the users' file"),
    ),
    (
        "linkname unit ifname vrf",
        Dropped("all clients share one interface, see tun.name"),
    ),
    (
        "net-init-script net-pre-up-script net-down-script",
        Dropped("there is no interface of its own to prepare for a client"),
    ),
    (
        "unset",
        Dropped("scripts begin with an empty environment anyway"),
    ),
    (
        "logfile logfd nolog",
        Dropped("the log goes to standard error, and with systemd to the journal"),
    ),
    ("show-password", Dropped("passwords are never logged")),
    (
        "multilink mp mpshortseq nompshortseq mrru endpoint",
        Dropped("no client bundles links"),
    ),
    ("ignore-echo", Dropped("echo requests are always answered")),
    (
        "pppol2tp pppol2tp_lns_mode pppol2tp_recv_seq pppol2tp_send_seq pppol2tp_debug_mask \
         pppol2tp_ifname pppol2tp_reorderto pppol2tp_session_id pppol2tp_tunnel_id",
        WithoutEffect("sessions are not in the kernel"),
    ),
];
