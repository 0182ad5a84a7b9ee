//! The options of pppd and of the plugins that come with it, by how many arguments they take.

/// How many arguments an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    Known(usize),
    Unknown,
}

pub(super) fn arity(name: &str) -> Arity {
    if has(NONE, name) || is_bare(name) {
        Arity::Known(0)
    } else if has(ONE, name) {
        Arity::Known(1)
    } else {
        Arity::Unknown
    }
}

/// Every option there is.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    NONE.split(' ').chain(ONE.split(' '))
}

fn has(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

/// What pppd takes without a name: a pair of addresses, the speed and the device of a serial line.
pub(super) fn is_bare(word: &str) -> bool {
    let is_pair = |(local, remote): (&str, &str)| {
        let is_host = |text: &str| {
            let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            text.bytes().all(host)
        };
        is_host(local) && is_host(remote)
    };
    word.split_once(':').is_some_and(is_pair)
        || (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
        || word.starts_with("/dev/")
        || word.starts_with("tty")
}

const NONE: &str = "\
    +chap +chapms +chapms-v2 +eap +ipv6 +mschap +mschap-v2 +pap -all -am -bsdcomp -ccp -chap \
    -chapms -chapms-v2 -crtscts -d -defaultroute -deflate -detach -eap -ip -ipv6 -mn -mppe \
    -mru -mschap -mschap-v2 -p -pap -pc -predictor1 -proxyarp -v6 -vj -vjccomp auth cdtrcts \
    chapms-strip-domain crtscts default-asyncmap default-mru defaultroute defaultroute6 \
    demand debug dryrun dump enable-session hide-password ignore-echo ip-up-wait \
    ipcp-accept-local ipcp-accept-remote ipcp-no-address ipcp-no-addresses \
    ipv6cp-accept-local ipv6cp-accept-remote ipv6cp-nosend ipv6cp-nosendip ipv6cp-noremote \
    ipv6cp-use-ipaddr ipv6cp-use-persistent ktune lcp-echo-adaptive local lock login modem \
    mp mppe mppe-128 mppe-40 mppe-56 mppe-required mppe-stateful mpshortseq multilink \
    need-peer-eap need_peer_eap noaccomp noauth nobsdcomp noccp nocdtrcts nocrtscts \
    nodefaultroute nodefaultroute6 nodeflate nodetach nodtrcts noendpoint noip noipdefault \
    noipv6 noipx noktune nolock nolog nomagic nomp nomppe nomppe-128 nomppe-40 nompshortseq \
    nomultilink nopcomp nopersist nopredictor1 noproxyarp noremoteip noreplacedefaultroute \
    noresolvconf notty novj novjccomp papcrypt passive persist pppol2tp_lns_mode \
    pppol2tp_recv_seq pppol2tp_send_seq predictor1 proxyarp refuse-chap refuse-eap \
    refuse-mschap refuse-mschap-v2 refuse-pap replacedefaultroute require-chap require-eap \
    require-mppe require-mppe-128 require-mppe-40 require-mschap require-mschap-v2 \
    require-pap show-password silent stop-bits sync up_sdnotify updetach usehostname \
    usepeerdns usepeerwins vj xonxoff";

const ONE: &str = "\
    +ua active-filter active-filter-in active-filter-out allow-ip allow-number asyncmap \
    auth-down-script auth-up-script avpair bsdcomp ca call capath cert chap-interval \
    chap-max-challenge chap-restart chap-secrets chap-timeout child-timeout connect \
    connect-delay crl crl-dir debug-level defaultroute-metric deflate disconnect domain \
    eap-interval eap-max-rreq eap-max-sreq eap-restart eap-timeout endpoint escape file \
    holdoff idle ifname init ip-down-script ip-pre-up-script ip-up-script ipcp-max-configure \
    ipcp-max-failure ipcp-max-terminate ipcp-restart ipparam ipv6 ipv6-down-script \
    ipv6-up-script ipv6cp-max-configure ipv6cp-max-failure ipv6cp-max-terminate \
    ipv6cp-restart kdebug key lcp-echo-failure lcp-echo-interval lcp-max-configure \
    lcp-max-failure lcp-max-terminate lcp-restart linkname logfd logfile map-to-ifname \
    map-to-ttyname max-data-rate max-tls-version maxconnect maxfail maxoctets mo \
    mo-direction mo-timeout mrru mru ms-dns ms-wins mtu name net-down-script net-init-script \
    net-pre-up-script netmask ntlm_auth-helper pap-max-authreq pap-restart pap-secrets \
    pap-timeout pass-filter pass-filter-in pass-filter-out password plugin pppol2tp \
    pppol2tp_debug_mask pppol2tp_ifname pppol2tp_reorderto pppol2tp_session_id \
    pppol2tp_tunnel_id precompiled-active-filter precompiled-pass-filter privgroup pty \
    radius-config-file record remotename remotenumber set socket srp-interval srp-pn-secret \
    tls-verify-method unit unset user vj-max-slots vrf welcome";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_listed_twice() {
        let mut all: Vec<&str> = all().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn words_without_a_name() {
        for word in [
            "10.0.0.1:10.0.0.2",
            ":10.0.0.2",
            "gw:",
            ":",
            "115200",
            "/dev/ttyS0",
            "ttyS0",
        ] {
            assert_eq!(arity(word), Arity::Known(0), "{word}");
        }
        for word in ["mtu=1280", "a:b:c", "[::1]:"] {
            assert_eq!(arity(word), Arity::Unknown, "{word}");
        }
    }
}
