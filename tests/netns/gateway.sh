# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# `[nat] masquerade`: a client behind adit reaches a host that knows nothing of the clients' network.
# Sourced, not run.

world_address=198.51.100.9
gateway_address=198.51.100.1

# client 192.0.2.2 --- 192.0.2.1 server 198.51.100.1 --- 198.51.100.9 world
topology_gateway() {
    topology_direct && namespace world &&
        join server eth1 "$gateway_address/24" world eth0 "$world_address/24"
}

# What an administrator has: nothing of it is ours to touch.
administrators_rules() {
    in_ns "$(ns server)" nft -f - <<'RULES'
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ip saddr 10.10.1.0/24 accept
        ct state established,related accept
    }
}
table ip nat {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 172.16.0.0/12 masquerade
    }
}
RULES
    in_ns "$(ns server)" nft list ruleset >"$work/ruleset"
}

rules_untouched() {
    in_ns "$(ns server)" nft list ruleset | diff "$work/ruleset" -
}

our_table() { in_ns "$(ns server)" nft list table ip adit; }
no_table() { ! our_table 2>/dev/null; }

forwards() { # 0|1
    [[ $(in_ns "$(ns server)" cat /proc/sys/net/ipv4/ip_forward) == "$1" ]]
}

set_masquerade() { # true|false
    { cat "$work/adit.toml"; printf '[nat]\nmasquerade = %s\n' "$1"; } >"$work/gateway.toml"
}

start_gateway() { # command in front…
    start server "$(ns server)" "$@" "$adit" serve --config "$work/gateway.toml"
    server=$started
    within 10 listening "$(ns server)" -u 500 && ! gone "$server"
}

reload_gateway() { timeout 10 "$adit" reload --config "$work/gateway.toml"; }

connect_outwards() { # user
    connect client "$1" && ip -n "$(ns client)" route add "$world_address" dev adit-c0
}

# The world sees the server where the client speaks.
reaches_world() {
    local seen
    seen=$(in_ns "$(ns client)" python3 "$here/helper.py" ask "$world_address" 7 7007) || return 1
    [[ ${seen% *} == "$gateway_address" ]] || { echo "seen as $seen"; return 1; }
    in_ns "$(ns client)" ping -n -q -c 2 -i 0.2 -W 2 "$world_address"
}

cut_off() {
    ! in_ns "$(ns client)" ping -n -q -c 1 -W 1 "$world_address"
}

leaves_nothing() {
    stop "$server" 10 && no_table && forwards 0 && rules_untouched
}

# /proc/sys as the sandbox of our unit has it. Mounting belongs to the new mount namespace only.
read_only_sysctls=(unshare --mount sh -c
    'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"' sh)

gateway() {
    [[ -n $adit ]] || { skip "gateway: adit itself: no program"; return; }
    start echo "$(ns world)" python3 "$here/helper.py" echo "$world_address" 7
    within 5 listening "$(ns world)" -u 7

    set_masquerade false
    check "gateway: adit serve listens" start_gateway || return
    check "gateway: off by default: no table, no forwarding" eval 'no_table && forwards 0'
    check "gateway: a client connects" connect_outwards alice || return
    check "gateway: and reaches the server only" cut_off
    set_masquerade true
    check "gateway: adit reload turns masquerading on" reload_gateway
    check "gateway: the table is there" our_table
    check "gateway: the client reaches a host that sees the server" reaches_world
    set_masquerade false
    check "gateway: adit reload turns it off" reload_gateway
    check "gateway: nothing is left of it" eval 'no_table && forwards 0 && rules_untouched'
    set_masquerade true
    check "gateway: and on again" reload_gateway
    check "gateway: the server ends and leaves nothing behind" leaves_nothing
    within 20 gone "$client"

    check "gateway: adit serve begins with it" start_gateway
    check "gateway: the client reaches the host again" eval 'connect_outwards alice && reaches_world'
    check "gateway: a second server keeps its hands off" second_gateway
    kill -KILL "$server" "$client"
    within 5 gone "$server"
    # A kernel before 5.12 would have left it; the server that starts replaces it.
    in_ns "$(ns server)" nft list table ip adit >/dev/null 2>&1 ||
        in_ns "$(ns server)" nft 'add table ip adit; add chain ip adit leftover'
    in_ns "$(ns server)" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
    check "gateway: after a crash it starts, without writing sysctls" \
        start_gateway "${read_only_sysctls[@]}"
    check "gateway: what the crash left is replaced" eval '! our_table | grep leftover'
    check "gateway: the sysctl is as it was" forwards 0
    check "gateway: the client reaches the host" eval 'connect_outwards alice && reaches_world'
    check "gateway: an interface that comes later forwards too" later_interface
    stop "$client" 10
    check "gateway: a fixed address changes, and who is connected reaches the host" address_changes
    check "gateway: the route to it goes with the session" address_goes
    check "gateway: that of a user who is removed, with the reload" user_goes
    check "gateway: the server ends and leaves nothing behind" leaves_nothing
}

# carol has addresses outside of the pool, within what the administrator's rules let through.
carols_address_is() { # address
    sed -i '/^carol /d' "$work/chap-secrets" &&
        printf 'carol l2tpd "opens sesame" %s\n' "$1" >>"$work/chap-secrets"
}

routed_inwards() { # address
    ip -n "$(ns server)" route show dev adit0 | grep -F "$1 "
}

not_routed_inwards() { ! routed_inwards "$1"; }

# Somebody else's login shows it.
address_changes() {
    carols_address_is 10.10.1.207
    connect_outwards carol && reaches_world || return 1
    carols_address_is 10.10.1.208
    gets_in client "$work/psk" && routed_inwards 10.10.1.208 && reaches_world
}

address_goes() {
    stop "$client" 10
    within 5 not_routed_inwards 10.10.1.207
}

user_goes() {
    sed -i '/^carol /d' "$work/chap-secrets"
    reload_gateway && not_routed_inwards 10.10.1.208
}

later_interface() {
    ip -n "$(ns server)" link add later0 type dummy || ip -n "$(ns server)" tuntap add later0 mode tun
    within 5 later_interface_forwards
}

later_interface_forwards() {
    [[ $(in_ns "$(ns server)" cat /proc/sys/net/ipv4/conf/later0/forwarding) == 1 ]]
}

# On other ports, with a device of its own, but there is one table.
second_gateway() {
    { sed -e "s|adit0|adit1|; s|control.sock|other.sock|; s|10.10.1|10.10.2|g" -e '/^\[listen\]/a ike-port = 1500\nnatt-port = 14500' \
        "$work/gateway.toml"; } >"$work/second.toml"
    fails_saying 1 "no other adit may have it" -- \
        ip netns exec "$(ns server)" "$adit" serve --config "$work/second.toml" && reaches_world
}

case_gateway() {
    if check "gateway: namespaces" topology_gateway && check "gateway: link" reaches client &&
        check "gateway: rules of an administrator" administrators_rules; then
        gateway
    fi
    teardown
}
