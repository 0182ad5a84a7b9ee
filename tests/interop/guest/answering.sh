# shellcheck shell=bash
# Real servers: strongSwan or libreswan, with xl2tpd and pppd. Sourced after dialling.sh, whose
# `client` begins their configuration too.
# shellcheck disable=SC2154 # What is not assigned here is there.

# A connection for whoever comes to an address of the server. The client's port may be any: NAT
# changes it, and adit without privileges uses another one.
answering() { # node address phase1 phase2
    own=$2 peer_port=%any connection "$1" "to-${2##*.}" %any "$3" "$4" rekey=no
}

# How pppd treats those who call.
callers() { # node line of pppd's options…
    local etc=/etc/netns/$1
    shift
    printf '%s\n' auth noccp ipcp-accept-local ipcp-accept-remote 'ms-dns 192.0.2.53' 'mtu 1280' \
        'mru 1280' 'lcp-echo-interval 30' 'lcp-echo-failure 4' debug 'logfile /run/pppd.log' "$@" \
        >"$etc/ppp/options.vpn"
    printf '"user" * "%s" *\n' "$password" >"$etc/ppp/chap-secrets"
}

# What answers the calls to one address: xl2tpd answers from the first address of a host unless it is
# bound to another.
lns() { # node address pool-prefix
    printf '%s\n' '[global]' 'access control = no' "listen-addr = $2" '[lns default]' \
        "ip range = $3.10-$3.99" "local ip = $3.1" 'require authentication = yes' \
        'refuse pap = yes' 'name = l2tpd' 'ppp debug = yes' 'pppoptfile = /etc/ppp/options.vpn' \
        'length bit = yes' >"/etc/netns/$1/xl2tpd/$2.conf"
}

answers() { # node last-connection
    local file name
    ike_start "$1" "$2" || return 1
    mkdir -p "/nodes/$1/run/xl2tpd"
    for file in "/etc/netns/$1/xl2tpd/"*.conf; do
        name=${file##*/}
        start "$1" "xl2tpd-$name" xl2tpd -D -c "/etc/xl2tpd/$name" -p "/run/xl2tpd/$name.pid" \
            -C "/run/xl2tpd/$name.control"
    done
    within "$patience" listening "$1" 1701
}
