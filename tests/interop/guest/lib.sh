# shellcheck shell=bash
# Hosts, networks and verdicts inside the virtual machine. Sourced by the machines' scripts.
#
# Everything is emulated and several cases run at once, so waiting is bounded generously, and no test
# depends on how long something took. Starting a process takes the emulator some 30 ms, and whoever
# waits looks often: what it looks with is the shell's own, as far as that goes.
# shellcheck disable=SC2154 # `users` is the machine's.

logs=/interop/logs
scratch=$(mktemp -d)
# The longest anybody waits for something that should happen.
patience=90
secret='a key for the machine only'
password='opens sesame'

mkdir -p /nodes
mount -t tmpfs tmpfs /nodes

# --- verdicts -----------------------------------------------------------------------------------

# Runs a command as the test `title`. One write for each verdict: cases run side by side.
check() { # title command [argument…]
    local title=$1 me=$scratch/$BASHPID
    shift
    : >"$me.why"
    why=$me.why
    if "$@" >"$me.detail" 2>&1; then
        printf 'ok      %s%s\n' "$title" "$(note "$me.why")"
        return 0
    fi
    printf 'FAIL    %s%s\n%s\n' "$title" "$(note "$me.why")" \
        "$(tail -n 30 "$me.detail" | cut -c 1-300 | sed 's/^/        /')"
    return 1
}

# What a test wants to have behind its title.
because() { printf '%s' "$*" >"$why"; }

note() { [[ -s $1 ]] && printf ' (%s)' "$(<"$1")"; }

# Nothing is ever written into it: to read from it with a timeout is to sleep.
exec {never}<> <(:)

# Repeats a command until it succeeds.
within() { # seconds command [argument…]
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        read -r -t 0.3 -u "$never" || continue
    done
}

# Whether a case was asked for; without any, all are.
wanted() { # case
    [[ -z ${cases:-} || " $cases " == *" $1 "* ]]
}

# Runs the cases that are wanted, side by side, each a function `case_NAME`.
together() { # case…
    local name jobs=()
    for name; do
        wanted "$name" || continue
        {
            "case_${name//-/_}"
            : >"$scratch/$name.over"
        } &
        jobs+=($!)
    done
    ((${#jobs[@]} == 0)) || wait "${jobs[@]}"
    # A script that ends by a mistake of its own must not pass for one that had nothing to say.
    for name; do
        ! wanted "$name" || [[ -e $scratch/$name.over ]] || printf 'FAIL    %s: broke off\n' "$name"
    done
}

# --- hosts --------------------------------------------------------------------------------------

# A host: a network namespace with its own /run, and its own configuration in /etc/netns/NAME.
node() { # name
    ip netns add "$1" && ip -n "$1" link set lo up
    mkdir -p "/nodes/$1/run/lock" "/etc/netns/$1"
}

# Runs a command on a host.
on() { # node command [argument…]
    ip netns exec "$1" /interop/guest/enter "$@"
}

# Starts a program on a host, with its output at the end of a log.
start() { # node log command [argument…]
    local node=$1 log=$2
    shift 2
    setsid ip netns exec "$node" /interop/guest/enter "$node" "$@" \
        >>"$logs/$node-$log.log" 2>&1 </dev/null &
}

# The processes of a host that have one of these names.
processes() { # node name…
    local node=$1 process name
    shift
    for process in /proc/[0-9]*; do
        { read -r name <"$process/comm"; } 2>/dev/null || continue
        [[ " $* " == *" $name "* && $process/ns/net -ef /run/netns/$node ]] &&
            printf '%s\n' "${process#/proc/}"
    done
    return 0
}

signal() { # node signal name…
    local process
    for process in $(processes "$1" "${@:3}"); do kill "-$2" "$process" 2>/dev/null; done
}

none_left() { [[ -z $(processes "$@") ]]; } # node name…

# As `none_left`, of processes that are known.
gone() { # process…
    local process
    for process; do [[ ! -e /proc/$process ]] || return 1; done
}

end() { # node name…
    local ending
    ending=$(processes "$@")
    # shellcheck disable=SC2086
    if [[ -n $ending ]]; then
        kill $ending 2>/dev/null
        within 10 gone $ending || kill -KILL $ending 2>/dev/null
    fi
    return 0
}

# --- networks -----------------------------------------------------------------------------------

# The outside world is one network, 192.0.2.0/24.
world() {
    node world
    ip -n world link add world0 type bridge
    ip -n world link set world0 up
}

plug() { # node interface address/length switch-node bridge
    # Added on the switch: that no interface here has the name already is looked up where it is added.
    ip -n "$4" link add "to-$1" type veth peer name "$2" netns "$1"
    ip -n "$4" link set "to-$1" master "$5" up
    ip -n "$1" address add "$3" dev "$2"
    ip -n "$1" link set "$2" up
}

# A host with a public address.
public() { # node address
    node "$1"
    plug "$1" eth0 "$2/24" world world0
}

# A router that translates its network 192.168.7.0/24 to one public address.
home() { # node address
    public "$1" "$2"
    ip -n "$1" link add home0 type bridge
    ip -n "$1" address add 192.168.7.1/24 dev home0
    ip -n "$1" link set home0 up
    ip netns exec "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    ip netns exec "$1" nft -f - <<'RULES'
table ip nat {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "eth0" masquerade
    }
}
RULES
}

# A host behind such a router.
hidden() { # node home address
    node "$1"
    plug "$1" eth0 "$3/24" "$2" home0
    ip -n "$1" route add default via 192.168.7.1
}

# --- the adit server ----------------------------------------------------------------------------

# Writes a server's configuration. Users are everybody, each with a name of his own.
adit_server() { # node pool-prefix [line of the section ipsec]…
    local node=$1 pool=$2 folder=/nodes/$1 user
    shift 2
    {
        printf '[listen]\naddresses = ["0.0.0.0"]\n'
        printf '[ipsec]\nsecrets = "ipsec.secrets"\n'
        (($# == 0)) || printf '%s\n' "$@"
        printf '[ppp]\nsecrets = "chap-secrets"\nauthentication = ["mschap-v2", "chap"]\n'
        printf 'dns = ["%s.1"]\n' "$pool"
        printf '[pool]\nlocal = "%s.1"\nranges = ["%s.10-%s.200"]\n' "$pool" "$pool" "$pool"
        # As on a machine with two cores.
        printf '[workers]\nthreads = 2\n'
        printf '[log]\nlevel = "debug"\n'
    } >"$folder/adit.toml"
    printf '%%any %%any : PSK "%s"\n' "$secret" >"$folder/ipsec.secrets"
    for user in "${users[@]}"; do
        printf '"%s" l2tpd "%s" *\n' "$user" "$password"
    done >"$folder/chap-secrets"
    chmod 600 "$folder/ipsec.secrets" "$folder/chap-secrets"
}

listening() { # node port
    ip netns exec "$1" ss -H -n -l -u "sport = :$2" | grep -q .
}

serve() { # node
    start "$1" adit /tmp/adit serve --config "/nodes/$1/adit.toml"
    within "$patience" listening "$1" 500
}

# What a server has said of somebody since a mark, and the mark of now.
mark() { wc -l <"$logs/$1-adit.log"; }                       # server
said() { tail -n "+$(($2 + 1))" "$logs/$1-adit.log"; }       # server mark

# The line `session up` of a user since a mark.
session_up() { # server mark user
    said "$1" "$2" | grep "session up .*user=\"$3\"" | tail -n 1
}

field() { # name, of the line on standard input
    sed -n "s/.* $1=\"\{0,1\}\([^\" ]*\).*/\1/p"
}

# --- traffic ------------------------------------------------------------------------------------

# Every one of these must be answered.
pings() { # node address [option…]
    local node=$1 address=$2
    shift 2
    ip netns exec "$node" ping -n -q -c 4 -i 0.2 -W 20 "$@" "$address"
}

# Sequence numbers must be without a gap, up to the last one answered, which is nearly the last sent.
missing() { # output of ping
    awk '/icmp_seq=/ { sub(/.*icmp_seq=/, ""); n = $1 + 0; if (n > last) last = n; if (!seen[n]++) count++ }
        /packets transmitted/ { sent = $1 }
        END { printf "%d answers, last %d, sent %d\n", count, last, sent; exit !(count > 0 && count == last && sent - last <= 2) }' "$1"
}
