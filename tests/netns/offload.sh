# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# The same traffic with segmentation offload and without arrives as the same bytes. Sourced, not run.

traffic_port=5298

# Sends traffic of one kind, always the same, and holds what arrives against it; a line for each
# goes to $work/arrived.
same_bytes() { # kind from to address
    local digest
    start traffic "$(ns "$3")" python3 "$here/helper.py" "$1-in" "$4" "$traffic_port"
    within 5 listening "$(ns "$3")" "${flag_of[$1]}" "$traffic_port" || return 1
    digest=$(in_ns "$(ns "$2")" timeout 60 python3 "$here/helper.py" "$1-out" "$4" "$traffic_port") ||
        { echo "$digest"; return 1; }
    because "$digest"
    echo "$1 $2 $3 $digest" >>"$work/arrived"
    within 5 gone "$started"
}

# Whether the device has a header in front of its packets (IFF_VNET_HDR).
has_offload() { # role device
    local flags
    flags=$(in_ns "$(ns "$1")" cat "/sys/class/net/$2/tun_flags") && ((flags & 0x4000))
}

lacks_offload() { ! has_offload "$@"; }

traffic_with_offload() { # true|false
    local title="offload: tun.offload = $1" expected=has_offload inner
    [[ $1 == true ]] || expected=lacks_offload
    sed "/^\[tun\]/a offload = $1" "$work/adit.toml" >"$work/offload.toml"
    : >"$work/arrived"
    check "$title: adit serve listens" start_server "$work/offload.toml" || return
    check "$title: adit connect brings up a TUN" connect client alice || return
    inner=$(inner_of client)
    check "$title: the server's device is so" "$expected" server adit0
    check "$title: a TCP stream from client to server" same_bytes stream client server "$inner_server"
    check "$title: a TCP stream from server to client" same_bytes stream server client "$inner"
    check "$title: datagrams from client to server" same_bytes datagrams client server "$inner_server"
    check "$title: datagrams from server to client" same_bytes datagrams server client "$inner"
    mv "$work/arrived" "$work/arrived-$1"
    stop "$client" 10
    stop "$server" 10
}

arrived_alike() {
    (($(wc -l <"$work/arrived-true") == 4)) && diff "$work/arrived-true" "$work/arrived-false"
}

case_offload() {
    local -A flag_of=([stream]=-t [datagrams]=-u)
    if [[ -z $adit ]]; then
        skip "offload: adit itself: no program"
    elif check "offload: namespaces" topology_direct; then
        traffic_with_offload true
        traffic_with_offload false
        check "offload: the same bytes arrived with and without" arrived_alike
    fi
    teardown
}
