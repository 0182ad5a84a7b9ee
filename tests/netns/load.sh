# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# `adit load`: hundreds of clients in one process, and that the server is left as it was.
# Sourced, not run.
#
# server 192.0.2.1 --- 192.0.2.2 client, which has 100.64.0.0/16 as well

load_clients=200

# A server that soon finds out whose clients have vanished.
write_load() {
    sed -e '/^\[\[psk\]\]/,$d' -e 's/^ranges = .*/ranges = ["10.10.8.0-10.10.15.255"]/' \
        -e "s|^secrets = \"$work/chap-secrets\"|secrets = \"$work/load-secrets\"\necho-interval = \"1s\"\necho-failures = 3|" \
        "$work/adit.toml" >"$work/load.toml"
    seq 1 "$load_clients" | sed 's/.*/load& l2tpd "opens sesame" */' >"$work/load-secrets"
    chmod 600 "$work/load-secrets"
}

topology_load() {
    topology_direct && ip -n "$(ns server)" route add 100.64.0.0/16 via 192.0.2.2
}

whole_network() { ip -n "$(ns client)" route add local 100.64.0.0/16 dev lo; }

# The orders of a load.
load_orders() { # option…
    orders=("$adit" load "$server_address" --clients "$load_clients" --user 'load{}'
        --psk-file "${load_key:-$work/psk}" --password-file "$work/load-secrets"
        --from 100.64.0.0/16 --dh "${load_group:-ecp256}" --json "$@")
}

load() { # option…
    load_orders "$@"
    in_ns "$(ns client)" timeout 120 "${orders[@]}" >"$work/load.json" 2>"$work/load.err" ||
        { cat "$work/load.json" "$work/load.err"; return 1; }
}

# Whether the last report holds together, and is of so many clients; and these things of it.
load_report() { # KEY=NUMBER…
    local said
    said=$(python3 "$here/helper.py" load "$load_clients" "$@" <"$work/load.json") ||
        { echo "$said"; cat "$work/load.json"; return 1; }
    because "$said"
}

totals() { timeout 10 "$adit" status --totals --json --config "$work/load.toml"; }

# Also of what lingers, to acknowledge a repeated goodbye or because it was asked whether it lives.
holds_nothing() { totals | python3 "$here/helper.py" nothing-held; }

holds_nothing_of_a_load() { within 150 holds_nothing || holds_nothing; }

holds() { # sessions
    totals | python3 -c 'import json, sys
held = json.load(sys.stdin)
print(held["held"], held["pool"])
sys.exit(held["held"]["sessions"] != int(sys.argv[1]) or held["pool"]["used"] != int(sys.argv[1]))' "$1"
}

# Server and load count the same sessions while these last.
load_and_count() {
    load_orders --hold 8s --ping 1s --progress none
    in_ns "$(ns client)" timeout 120 "${orders[@]}" >"$work/load.json" 2>"$work/load.err" &
    local loading=$!
    processes+=("$loading")
    within 60 holds "$load_clients" || { kill "$loading"; cat "$work/load.err"; totals; return 1; }
    wait "$loading" || { cat "$work/load.json" "$work/load.err"; return 1; }
    load_report connects.up="$load_clients" sessions.lost=0 && within 10 holds 0
}

load_churns() { # leave
    load --hold 6s --churn 10 --ping 2s --leave "$1" && load_report sessions.lost=0 &&
        within 30 holds 0
}

# Who has the least to say about its end: the clients notice by themselves.
load_survives_restart() {
    load_orders --hold 20s --redial --at-once "$load_clients" --echo 1s --progress none
    in_ns "$(ns client)" timeout 120 "${orders[@]}" >"$work/load.json" 2>"$work/load.err" &
    local loading=$!
    processes+=("$loading")
    within 60 holds "$load_clients" || { kill "$loading"; cat "$work/load.err"; return 1; }
    kill -KILL "$server"
    wait "$server" 2>/dev/null
    start_server "$work/load.toml" || return 1
    wait "$loading" || { cat "$work/load.json" "$work/load.err"; return 1; }
    load_report sessions.lost="$load_clients" sessions.returned="$load_clients" &&
        within 10 holds 0
}

load_as_windows() {
    local load_group=ecp384
    load --profile windows11 --ping 1s --hold 2s && load_report connects.failed=0
}

# Their PPP begins in the same breath as their call: what it says first is not dropped.
load_as_apple() {
    local load_group=modp2048
    load --profile macos --at-once 4 --hold 2s && load_report connects.failed=0 || return 1
    totals | python3 -c 'import json, sys
drops = json.load(sys.stdin)["counters"]["drops"]
print(drops)
sys.exit(any("L2TP data packet" in reason for reason in drops))'
}

# A key that does not fit: no report is a good one, and it says why.
load_fails() {
    local load_key="$work/wrong-psk"
    load_orders --timeout 5s
    in_ns "$(ns client)" timeout 60 "${orders[@]}" >"$work/load.json" 2>"$work/load.err"
    local code=$?
    ((code == 1)) || { echo "exit code $code"; return 1; }
    grep -F "another pre-shared key" "$work/load.json" && ! grep -F '"ok": true' "$work/load.json"
}

case_load() {
    if [[ -z $adit ]]; then
        skip "load: adit itself: no program"
    elif check "load: namespaces" topology_load && write_load &&
        check "load: adit serve listens" start_server "$work/load.toml"; then
        load_orders
        check "load: addresses of others are named" fails_saying 2 "100.64.0.1" \
            "ip route add local 100.64.0.0/16" -- ip netns exec "$(ns client)" "${orders[@]}"
        check "load: a whole network" whole_network
        default_route client 192.0.2.1
        check "load: strangers are left alone" fails_saying 2 "--my-server 9.9.9.9" -- \
            ip netns exec "$(ns client)" "$adit" load 9.9.9.9 "${orders[@]:3}"
        check "load: $load_clients clients, counted on both sides" load_and_count
        check "load: clients come and go politely" load_churns politely
        check "load: clients come and vanish" load_churns vanish
        check "load: clients replace their keys" load --hold 12s --ping 1s \
            --rekey-esp 3s --rekey-ike 4s
        check "load: and lose nothing by it" load_report sessions.lost=0 connects.failed=0
        check "load: other clients' ways" load_as_windows
        check "load: and those that do not wait" load_as_apple
        check "load: all come back after the server was killed" load_survives_restart
        check "load: a wrong key fails, and says so" load_fails
        check "load: nothing is left of anybody" holds_nothing_of_a_load
    fi
    teardown
}
