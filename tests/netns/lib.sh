# shellcheck shell=bash
# Namespaces, processes and verdicts for tests/netns/run. Sourced, not run.
#
# Everything made here has a name with this process's id in it, or lives in a namespace that has,
# and is gone when the script ends, however it ends.

work=$(mktemp -d "${TMPDIR:-/tmp}/adit-netns.XXXXXX") || exit 1
# An unprivileged client has to reach its files in here.
chmod 711 "$work"

# What the system calls this shell: "run".
read -r our_name <"/proc/$$/comm"

passed=0
failed=0
skipped=0
namespaces=()
processes=()

# --- verdicts ---------------------------------------------------------------------------------

skip() { # why
    printf 'skipped: %s\n' "$1"
    skipped=$((skipped + 1))
}

# Runs a command as the test `title`; on failure shows why and the ends of the logs.
check() { # title command [argument…]
    local title=$1
    shift
    : >"$work/why"
    if "$@" >"$work/detail" 2>&1; then
        printf 'ok      %s%s\n' "$title" "$(note)"
        passed=$((passed + 1))
        return 0
    fi
    printf 'FAIL    %s%s\n' "$title" "$(note)"
    failed=$((failed + 1))
    show_tail "$work/detail"
    local log
    for log in "$work"/*.log; do
        [[ -e $log ]] && show_tail "$log"
    done
    return 1
}

# What a test wants to have behind its title.
because() { printf '%s' "$*" >"$work/why"; }

note() { [[ -s $work/why ]] && printf ' (%s)' "$(<"$work/why")"; }

show_tail() { # file
    [[ -s $1 ]] || return 0
    printf '        --- %s\n' "${1##*/}"
    tail -n 25 "$1" | cut -c 1-300 | sed 's/^/        /'
}

# --- waiting ----------------------------------------------------------------------------------

# Repeats a command until it succeeds, at most this many seconds.
within() { # seconds command [argument…]
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

gone() { ! kill -0 "$1" 2>/dev/null; } # process

# --- processes --------------------------------------------------------------------------------

# Runs a command in a namespace.
in_ns() { # namespace command [argument…]
    local namespace=$1
    shift
    ip netns exec "$namespace" "$@"
}

# Starts a command in a namespace in the background. Sets `started` to its process id: `ip netns
# exec` becomes the command. Its output goes to the end of $work/NAME.log.
start() { # name namespace command [argument…]
    local name=$1 namespace=$2
    shift 2
    ip netns exec "$namespace" "$@" >>"$work/$name.log" 2>&1 &
    started=$!
    processes+=("$started")
    # A signal that comes before the child has become the command is caught by our traps, and lost.
    while is_still_us "$started"; do sleep 0.005; done
}

is_still_us() { # process
    local name
    { read -r name <"/proc/$1/comm"; } 2>/dev/null && [[ $name == "$our_name" ]]
}

# Asks a process to end, and insists after the time is up. Fails if it had to insist.
stop() { # process [seconds]
    kill -TERM "$1" 2>/dev/null
    if ! within "${2:-10}" gone "$1"; then
        kill -KILL "$1" 2>/dev/null
        wait "$1" 2>/dev/null
        return 1
    fi
    wait "$1" 2>/dev/null
    return 0
}

# Ends a case: all its processes and namespaces.
teardown() {
    local process namespace
    for process in "${processes[@]}"; do
        gone "$process" || stop "$process" 5
    done
    for namespace in "${namespaces[@]}"; do
        # What a process left behind in there; nobody else's processes are in our namespaces.
        ip netns pids "$namespace" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
        ip netns delete "$namespace" 2>/dev/null
    done
    processes=()
    namespaces=()
    rm -f "$work"/*.log
}

cleanup() {
    local status=$?
    # A child that is told to end before it has become its command.
    [[ $BASHPID == "$$" ]] || exit "$status"
    trap - EXIT INT TERM HUP
    teardown
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- namespaces -------------------------------------------------------------------------------

ns() { printf 'adit-%s-%s' "$$" "$1"; } # role

namespace() { # role
    local name
    name=$(ns "$1")
    ip netns add "$name" || return 1
    namespaces+=("$name")
    ip -n "$name" link set lo up
}

# Joins two namespaces by a veth pair. Its ends have their names inside the namespaces only, so
# they cannot collide with anything on the host.
join() { # role interface address/length role interface address/length
    local left right
    left=$(ns "$1")
    right=$(ns "$4")
    ip link add name "$2" netns "$left" type veth peer name "$5" netns "$right" &&
        ip -n "$left" address add "$3" dev "$2" &&
        ip -n "$left" link set "$2" up &&
        ip -n "$right" address add "$6" dev "$5" &&
        ip -n "$right" link set "$5" up
}

# Makes a namespace translate what leaves by an interface to that interface's address.
masquerade() { # role interface
    local name
    name=$(ns "$1")
    in_ns "$name" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' &&
        in_ns "$name" nft -f - <<RULES
table ip nat {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "$2" masquerade
    }
}
RULES
}

default_route() { # role gateway
    ip -n "$(ns "$1")" route add default via "$2"
}

# server 192.0.2.1 --- 192.0.2.2 client
topology_direct() {
    namespace server && namespace client &&
        join server eth0 192.0.2.1/24 client eth0 192.0.2.2/24
}

# server 192.0.2.1 --- 192.0.2.254 nat 192.168.7.1 --- 192.168.7.2 client
# The server has no route to the client's network.
topology_nat() {
    namespace server && namespace nat && namespace client &&
        join server eth0 192.0.2.1/24 nat outside 192.0.2.254/24 &&
        join nat inside 192.168.7.1/24 client eth0 192.168.7.2/24 &&
        masquerade nat outside &&
        default_route client 192.168.7.1
}

# Two homes with the same addresses behind one carrier's translator:
# server 192.0.2.1 --- 192.0.2.254 nat 100.64.1.1 --- 100.64.1.2 home1 192.168.7.1 --- 192.168.7.2 client1
#                                      100.64.2.1 --- 100.64.2.2 home2 192.168.7.1 --- 192.168.7.2 client2
topology_homes() {
    namespace server && namespace nat &&
        join server eth0 192.0.2.1/24 nat outside 192.0.2.254/24 &&
        masquerade nat outside &&
        attach_home 1 && attach_home 2
}

# One more home, with a client in it, behind the translator `nat`.
attach_home() { # number
    local home=$1
    namespace "home$home" && namespace "client$home" &&
        join nat "inside$home" "100.64.$home.1/24" "home$home" outside "100.64.$home.2/24" &&
        join "home$home" inside 192.168.7.1/24 "client$home" eth0 192.168.7.2/24 &&
        masquerade "home$home" outside &&
        default_route "home$home" "100.64.$home.1" &&
        default_route "client$home" 192.168.7.1
}
