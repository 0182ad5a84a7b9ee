# shellcheck shell=bash
# Real clients: strongSwan or libreswan, with xl2tpd and pppd. Sourced after lib.sh.
# shellcheck disable=SC2154 # What is not assigned here is there.
#
# A client is a node with a file `kind`. Algorithms are written in strongSwan's way everywhere, for
# instance aes256-sha256-modp2048, and translated for libreswan.

# --- configuration ------------------------------------------------------------------------------

# Begins the configuration of a client; `connection` and `key` add to it.
client() { # node strongswan|libreswan
    local node=$1 etc=/etc/netns/$1
    echo "$2" >"/nodes/$node/kind"
    mkdir -p "$etc/ppp" "$etc/xl2tpd"
    : >"$etc/ipsec.secrets"
    chmod 600 "$etc/ipsec.secrets"
    # What pppd calls when it is up: one more line in a file.
    cat >"$etc/ppp/ip-up" <<'SCRIPT'
#!/bin/sh
echo "$1 $4 $5" >>/run/ppp-up
SCRIPT
    chmod 755 "$etc/ppp/ip-up"
    : >"$etc/ppp/chap-secrets"
    if [[ $2 == strongswan ]]; then
        echo 'config setup' >"$etc/ipsec.conf"
        echo "charon { plugins { stroke { socket = unix:///nodes/$node/run/charon.ctl } } }" \
            >"/nodes/$node/stroke.conf"
        cat >"$etc/strongswan.conf" <<'CONF'
charon {
    load_modular = yes
    plugins {
        include strongswan.d/charon/*.conf
    }
    filelog {
        log {
            path = /run/ike.log
            time_format = %H:%M:%S
            flush_line = yes
            default = 1
            cfg = 2
        }
    }
}
CONF
    else
        cp -r /var/lib/ipsec/nss "/nodes/$node/nss"
        printf 'nameserver 127.0.0.1\n' >"$etc/resolv.conf"
        cat >"$etc/ipsec.conf" <<'CONF'
config setup
    logfile=/run/ike.log
    ikev1-policy=accept
    uniqueids=no
CONF
    fi
}

key() { # node server key
    printf '%%any %s : PSK "%s"\n' "$2" "$3" >>"/etc/netns/$1/ipsec.secrets"
}

own_address() { ip -n "$1" -4 -o address show dev eth0 | awk '{ sub("/.*", "", $4); print $4; exit }'; }

# strongSwan's names of algorithms in libreswan's words.
libreswan_words() { # algorithms
    sed -e 's/sha\(256\|384\|512\)/sha2_\1/g' -e 's/aes\([0-9]*\)gcm16/aes_gcm\1-null/' \
        -e 's/ecp256/dh19/; s/ecp384/dh20/; s/ecp521/dh21/' -e 's/-\(modp\|dh\)/;\1/' <<<"$1"
}

# Adds a connection. In phase 2, a third part is the group for forward secrecy. `own` in the
# environment is the address it is for, `peer_port` the other's port of L2TP.
connection() { # node name server phase1 phase2 [line]…
    local node=$1 name=$2 server=$3 phase1=$4 phase2=$5 pfs=no line
    shift 5
    {
        printf 'conn %s\n' "$name"
        if [[ $(<"/nodes/$node/kind") == strongswan ]]; then
            printf '    %s\n' keyexchange=ikev1 authby=secret type=transport \
                "left=${own:-%defaultroute}" "ike=$phase1!" "esp=$phase2!"
        else
            [[ $phase2 == *-modp* || $phase2 == *-ecp* ]] && pfs=yes
            printf '    %s\n' ikev2=no authby=secret type=transport \
                "left=${own:-$(own_address "$node")}" "ike=$(libreswan_words "$phase1")" \
                "phase2alg=$(libreswan_words "$phase2")" "pfs=$pfs"
        fi
        printf '    %s\n' leftprotoport=udp/1701 "right=$server" "rightprotoport=udp/${peer_port:-1701}" \
            keyingtries=1 auto=add
        for line; do printf '    %s\n' "$line"; done
    } >>"/etc/netns/$node/ipsec.conf"
}

# --- IPsec --------------------------------------------------------------------------------------

# Both talk to their daemon through a socket in its /run, and need not be on its host for that.
stroke() { # node argument…
    STRONGSWAN_CONF=/nodes/$1/stroke.conf timeout "$patience" /usr/lib/ipsec/stroke "${@:2}"
}
whack() { # node argument…
    timeout "$patience" /usr/libexec/ipsec/whack --rundir "/nodes/$1/run/pluto" "${@:2}"
}
is_strongswan() { [[ $(<"/nodes/$1/kind") == strongswan ]]; }    # node

knows() { # node connection
    stroke "$1" statusall 2>/dev/null | grep -q "^ *$2:"
}

# Starts the IKE daemon and waits until it knows its connections.
ike_start() { # node last-connection
    if is_strongswan "$1"; then charon_start "$@"; else pluto_start "$@"; fi && return
    tail -n 20 "/nodes/$1/run/ike.log"
    return 1
}

charon_start() { # node last-connection
    start "$1" starter ipsec start --nofork
    within "$patience" knows "$1" "$2"
}

pluto_start() { # node last-connection
    mkdir -p "/nodes/$1/run/pluto"
    start "$1" pluto /usr/libexec/ipsec/pluto --config /etc/ipsec.conf --nofork
    within "$patience" whack "$1" --status || { whack "$1" --status; return 1; }
    on "$1" /usr/libexec/ipsec/addconn --config /etc/ipsec.conf --autoall
    within 20 whack_knows "$1" "$2"
}

# The number of strongSwan's newest SA of phase 2: those before it stay for a while.
newest_child() { # node connection
    stroke "$1" status | sed -n "s/^ *$2{\([0-9]*\)}:  *INSTALLED.*/\1/p" | sort -n | tail -n 1
}

whack_knows() { whack "$1" --status | grep -q "\"$2\""; }

# Brings up the IPsec connection, or says why not.
secure() { # node connection
    local text
    if is_strongswan "$1"; then
        text=$(stroke "$1" up "$2" 2>&1)
        echo "$text"
        [[ $text == *"established successfully"* ]]
    else
        text=$(whack "$1" --name "$2" --initiate 2>&1)
        echo "$text"
        [[ $text == *"IPsec SA established"* ]]
    fi
}

unsecure() { # node connection
    if is_strongswan "$1"; then
        stroke "$1" down "$2"
    else
        whack "$1" --name "$2" --terminate
        # Else its policy stays, and no other connection between the same hosts comes up.
        whack "$1" --name "$2" --unroute
    fi
}

# Whether the kernel of the client seals with these: "raw" or "udp", and words of the algorithm.
sealed() { # node raw|udp word…
    local state word
    state=$(ip netns exec "$1" ip xfrm state)
    case $2 in
        raw) [[ $state != *espinudp* && $state == *"proto esp"* ]] || { echo "$state"; return 1; } ;;
        udp) [[ $state == *espinudp* ]] || { echo "$state"; return 1; } ;;
    esac
    for word in "${@:3}"; do
        [[ $state == *"$word"* ]] || { printf 'no %s in\n%s\n' "$word" "$state"; return 1; }
    done
}

# --- L2TP and PPP -------------------------------------------------------------------------------

up_count() { # node: how often pppd came up
    local ups=()
    [[ ! -s /nodes/$1/run/ppp-up ]] || mapfile -t ups <"/nodes/$1/run/ppp-up"
    echo "${#ups[@]}"
}

up_more_than() { (($(up_count "$1") > $2)); } # node count

inner() { tail -n 1 "/nodes/$1/run/ppp-up" | cut -d ' ' -f 2; }         # node
inner_server() { tail -n 1 "/nodes/$1/run/ppp-up" | cut -d ' ' -f 3; }  # node

# Starts xl2tpd and dials. The rest are pppd's options; lines that begin with "lac " go to xl2tpd.
dial() { # node server [option]…
    local node=$1 server=$2 etc=/etc/netns/$1 line
    shift 2
    mkdir -p "/nodes/$node/run/xl2tpd"
    {
        printf '%s\n' '[global]' 'access control = no' 'port = 1701' '[lac vpn]' "lns = $server" \
            'ppp debug = yes' 'pppoptfile = /etc/ppp/options.vpn' 'length bit = yes'
        for line; do [[ $line == lac\ * ]] && printf '%s\n' "${line#lac }"; done
    } >"$etc/xl2tpd/xl2tpd.conf"
    {
        printf '%s\n' "name $node" "password \"$password\"" noauth nodefaultroute usepeerdns noccp \
            noipdefault ipcp-accept-local ipcp-accept-remote 'mtu 1280' 'mru 1280' \
            'connect-delay 5000' debug 'logfile /run/pppd.log'
        for line; do [[ $line == lac\ * ]] || printf '%s\n' "$line"; done
    } >"$etc/ppp/options.vpn"
    start "$node" xl2tpd xl2tpd -D
    within "$patience" test -p "/nodes/$node/run/xl2tpd/l2tp-control" &&
        sleep 0.5 && echo "c vpn" >"/nodes/$node/run/xl2tpd/l2tp-control"
}

hang_up() { # node
    local control=/nodes/$1/run/xl2tpd/l2tp-control
    [[ -p $control ]] && timeout 5 sh -c "echo 'd vpn' >'$control'"
    # shellcheck disable=SC2046
    within 15 gone $(processes "$1" pppd)
    # Its goodbye is a message that the server acknowledges.
    sleep 1
    end "$1" xl2tpd pppd
}

# pppd's options for one method of authentication.
only() { # mschap-v2|chap|pap
    local method
    for method in pap chap mschap mschap-v2 eap; do
        [[ $method == "$1" ]] || printf 'refuse-%s\n' "$method"
    done
}

# --- everything together ------------------------------------------------------------------------

# Brings a client up all the way: IPsec, then the call. Everything it says is shown on failure.
come_up() { # node connection server [option]…
    local node=$1 connection=$2 server=$3 count
    shift 3
    count=$(up_count "$node")
    secure "$node" "$connection" || return 1
    dial "$node" "$server" "$@" || return 1
    if ! within "$patience" up_more_than "$node" "$count"; then
        tail -n 10 "$logs/$node-xl2tpd.log" "/nodes/$node/run/pppd.log"
        return 1
    fi
}

leave() { # node connection
    hang_up "$1"
    unsecure "$1" "$2" >/dev/null
}

# What a client's programs wrote, kept for the host.
keep_logs() {
    local file node
    for file in /nodes/*/run/{ike,pppd}.log; do
        [[ -e $file ]] || continue
        node=${file#/nodes/}
        cp "$file" "$logs/${node%%/*}-${file##*/}"
    done
}
