# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# `adit doctor` on hosts with real faults. Sourced, not run.

# Runs the doctor on the server's host; its exit code and words must be these.
doctor_says() { # exit-code words… [-- command in front…]
    local expected=$1 words=() code text word
    shift
    while (($#)) && [[ $1 != -- ]]; do words+=("$1"); shift; done
    shift
    text=$(in_ns "$(ns server)" "$@" timeout 20 "$adit" doctor --config "$work/adit.toml" 2>&1)
    code=$?
    ((code == expected)) || { echo "exit code $code, not $expected: $text"; return 1; }
    for word in "${words[@]}"; do
        [[ $text == *"$word"* ]] || { echo "nothing of \"$word\" in: $text"; return 1; }
    done
}

# A host like this one, but for /dev/net/tun.
without_tun=(unshare --mount sh -c 'mount -t tmpfs none /dev/net && exec "$@"' sh)

doctor_json() {
    in_ns "$(ns server)" timeout 20 "$adit" doctor --json --config "$work/adit.toml" \
        >"$work/doctor.json"
    python3 "$here/helper.py" contains forwarding warning <"$work/doctor.json" &&
        grep -F '"ok": true' "$work/doctor.json" && grep -F ip_forward=1 "$work/doctor.json"
}

doctor() {
    [[ -n $adit ]] || { skip "doctor: adit itself: no program"; return; }
    check "doctor: nothing keeps clients out; forwarding is off" \
        doctor_says 0 "clients reach this host only" "Nothing translates" "nothing keeps clients out"
    check "doctor: the same for programs" doctor_json
    check "doctor: no /dev/net/tun" doctor_says 1 "no /dev/net/tun" -- "${without_tun[@]}"

    start echo "$(ns server)" python3 "$here/helper.py" echo "$server_address" 4500
    within 5 listening "$(ns server)" -u 4500
    check "doctor: who has the port is named" \
        doctor_says 1 "UDP port 4500 ($server_address:4500) is taken by python3 (process $started)" \
        "kill $started"
    check "doctor: adit serve says the same" fails_saying 1 "port 4500" \
        "in use by python3 (process $started)" -- \
        ip netns exec "$(ns server)" "$adit" serve --config "$work/adit.toml"
    stop "$started"

    in_ns "$(ns server)" nft \
        'add table ip f; add chain ip f i { type filter hook input priority 0; policy drop; }'
    check "doctor: a packet filter that lets nothing in" \
        doctor_says 1 "chain ip f i drops everything" "nft insert rule ip f i udp dport"
    in_ns "$(ns server)" nft delete table ip f
    in_ns "$(ns server)" ip xfrm policy add src 192.0.2.1/32 dst 192.0.2.2/32 dir out \
        tmpl proto esp mode transport
    check "doctor: policies that an old server left" doctor_says 0 "1 IPsec policies"
    in_ns "$(ns server)" ip xfrm policy flush
    in_ns "$(ns server)" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    check "doctor: forwarding is on" doctor_says 0 "IPv4 packets are forwarded"

    check "doctor: adit serve listens" start_server || return
    check "doctor: a server that serves is no fault" \
        doctor_says 0 "is serving" "UDP port 500 is the server's"
    stop "$server" 10
}

case_doctor() {
    if check "doctor: namespaces" topology_direct; then
        doctor
    fi
    teardown
}
