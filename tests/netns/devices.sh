# shellcheck shell=bash
# Interfaces of single sessions, isolation of clients in both modes, and proxy ARP. Sourced by
# tests/netns/run.

# --- what is configured -------------------------------------------------------------------------

device_configuration() { # mode isolation
    sed -e "s/^name = \"adit0\"/mode = \"$1\"/" -e "s/^\[clients\]/[clients]\nisolation = $2/" \
        "$work/adit.toml" >"$work/devices.toml"
}

passes_on() { # role
    in_ns "$(ns "$1")" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# Sets `first` and `second`.
both_connect() {
    connect client1 alice && first=$client && connect client2 bob && second=$client
}

# --- interfaces of single sessions ----------------------------------------------------------------

# The interface of a client at the server; nothing if there is none.
device_of() { # role
    ip -n "$(ns server)" -4 -o address show | awk -v peer="$(inner_of "$1")/32" \
        '$5 == "peer" && $6 == peer { print $2 }'
}

has_device() { # role name
    local shown
    [[ $(device_of "$1") == "$2" ]] || { ip -n "$(ns server)" address; return 1; }
    shown=$(ip -n "$(ns server)" address show dev "$2")
    [[ $shown == *"inet $inner_server peer $(inner_of "$1")/32"* && $shown == *POINTOPOINT* &&
        $shown == *"mtu 1400"* ]] || { echo "$shown"; return 1; }
}

no_such_device() { # name
    ! ip -n "$(ns server)" link show dev "$1"
}

# Rules that name all of them, and one of them.
firewall() {
    in_ns "$(ns server)" nft -f - <<'RULES'
table inet watch {
    counter pings { }
    chain input {
        type filter hook input priority 0; policy accept;
        iifname "ppp*" icmp type echo-request counter name pings
        iifname "ppp0" icmp type echo-request drop
    }
}
RULES
}

pings_once() { # role address
    in_ns "$(ns "$1")" ping -n -q -c 3 -i 0.2 -W 1 "$2"
}

counted() {
    in_ns "$(ns server)" nft list counter inet watch pings | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

# The first is ppp0, the second ppp1.
firewall_rules_hold() {
    firewall || return 1
    pings_once client1 "$inner_server" && { echo "ppp0 is let through"; return 1; }
    pings_once client2 "$inner_server" || { echo "ppp1 is not"; return 1; }
    (($(counted) == 6)) || { echo "counted $(counted), not 6"; return 1; }
    in_ns "$(ns server)" nft delete table inet watch
}

device_goes_and_comes_back() {
    stop "$first" 10 || return 1
    within 5 no_such_device ppp0 || { echo "ppp0 is still there"; return 1; }
    pings_once client2 "$inner_server" && has_device client2 ppp1 || return 1
    connect client1 alice && has_device client1 ppp0
}

# --- isolation ----------------------------------------------------------------------------------

# A port of the server's own inner address leads to the second client: what the first sends there comes
# back from the kernel for the second.
forward_a_port() {
    in_ns "$(ns server)" nft -f - <<RULES
table ip forward {
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr $inner_server udp dport 7777 dnat to $(inner_of client2)
    }
}
RULES
}

# Whether the first client reaches the second, straight or by way of the server's own address.
reaches_straight() { pings_once client1 "$(inner_of client2)"; }

reaches_by_detour() {
    in_ns "$(ns client1)" python3 "$here/helper.py" ask "$inner_server" 7777 7700
}

detour() {
    passes_on server && forward_a_port || return 1
    start detour "$(ns client2)" python3 "$here/helper.py" echo "$(inner_of client2)" 7777
    ip -n "$(ns client1)" route add "$(inner_of client2)" dev adit-c0 &&
        ip -n "$(ns client2)" route add "$(inner_of client1)" dev adit-c0 &&
        within 5 listening "$(ns client2)" -u 7777
}

isolated() {
    reaches_straight && { echo "a ping comes through"; return 1; }
    reaches_by_detour && { echo "a datagram comes through by the server's address"; return 1; }
    status >"$work/status.json" && grep 'clients are isolated' "$work/status.json"
}

not_isolated() {
    reaches_straight || { echo "a ping does not come through"; return 1; }
    reaches_by_detour || { echo "a datagram does not come through by the server's address"; return 1; }
}

isolation_in() { # mode isolation test
    device_configuration "$1" "$2"
    if check "devices: $1, isolation = $2: two clients" topology_homes &&
        start_server "$work/devices.toml" && both_connect >"$work/detail" 2>&1; then
        check "devices: $1, isolation = $2: the way is prepared" detour &&
            check "devices: $1, isolation = $2: ${3//_/ }" "$3"
    else
        failed=$((failed + 1))
        show_tail "$work/detail"
    fi
    teardown
}

case_devices() {
    local first second
    [[ -n $adit ]] || { skip "devices: adit itself: no program"; return; }
    device_configuration per-session true
    if check "devices: namespaces" topology_homes &&
        check "devices: adit serve listens" start_server "$work/devices.toml" &&
        check "devices: two clients connect" both_connect; then
        check "devices: the first has ppp0" has_device client1 ppp0
        check "devices: the second has ppp1" has_device client2 ppp1
        check "devices: the first pings" pings_server client1
        check "devices: the server pings the second" server_pings client2
        check "devices: iperf3 from client to server" throughput client1
        check "devices: iperf3 from server to client" throughput client2 -R
        check "devices: rules for ppp+ and for ppp0" firewall_rules_hold
        check "devices: ppp0 goes with its client and comes back" device_goes_and_comes_back
        check "devices: status shows both" status_shows alice bob
    fi
    teardown
    isolation_in shared true isolated
    isolation_in shared false not_isolated
    isolation_in per-session true isolated
    isolation_in per-session false not_isolated
}

# --- proxy ARP ----------------------------------------------------------------------------------

# client 192.0.2.2 --- 192.0.2.1 server 10.10.1.200 --- 10.10.1.201 neighbour
# The pool is a part of the network on the right, whose host has no route to it.
topology_lan() {
    topology_direct && namespace neighbour &&
        join server lan0 10.10.1.200/24 neighbour eth0 10.10.1.201/24 && passes_on server
}

neighbour_reaches_client() {
    in_ns "$(ns neighbour)" ping -n -q -c 3 -i 0.2 -W 2 "$(inner_of client)" || return 1
    # It is the server that has answered.
    local mac
    mac=$(ip -n "$(ns server)" -o link show dev lan0 | sed 's/.*ether \([^ ]*\).*/\1/')
    ip -n "$(ns neighbour)" neigh show "$(inner_of client)" | grep -F "$mac"
}

# Such a packet fits into adit0, but not into the client's session: it is adit that says so.
neighbour_learns_mtu() {
    local said
    said=$(in_ns "$(ns neighbour)" ping -n -c 2 -i 0.2 -W 2 -M do -s 1322 "$(inner_of client)" 2>&1)
    grep -E 'mtu( ?=|:) ?1280' <<<"$said" || { echo "$said"; return 1; }
}

no_proxies() {
    [[ -z $(ip -n "$(ns server)" neigh show proxy) ]]
}

crash_and_start() { # configuration
    kill -KILL "$server"
    wait "$server" 2>/dev/null
    no_proxies && { echo "there is nothing to sweep up"; return 1; }
    start_server "$1" && within 5 no_proxies
}

case_proxyarp() {
    [[ -n $adit ]] || { skip "proxyarp: adit itself: no program"; return; }
    sed "s/^\[clients\]/[clients]\nproxy-arp = true/" "$work/adit.toml" >"$work/proxy.toml"
    echo 'narrow l2tpd "opens sesame" * -- mtu 1280' >>"$work/chap-secrets"
    if check "proxyarp: namespaces" topology_lan &&
        check "proxyarp: adit serve listens" start_server "$work/proxy.toml" &&
        check "proxyarp: a client connects" connect client narrow; then
        ip -n "$(ns client)" route add 10.10.1.201 dev adit-c0
        check "proxyarp: a neighbour reaches the client" neighbour_reaches_client
        check "proxyarp: a neighbour learns how much fits" neighbour_learns_mtu
        stop "$client" 10
        check "proxyarp: the entry goes with the client" within 5 no_proxies
        if check "proxyarp: a client connects again" connect client alice; then
            check "proxyarp: what a crash leaves is swept up" crash_and_start "$work/proxy.toml"
        fi
        stop "$client" 60
        if check "proxyarp: a client connects after that" connect client bob; then
            kill -TERM "$server"
            within 10 gone "$server"
            check "proxyarp: the entry goes with the server" no_proxies
        fi
    fi
    teardown
}
