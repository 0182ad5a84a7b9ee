# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# What goes wrong on a host: interfaces, addresses, descriptors, whoever reads the log, a full disk,
# signals at odd moments. The rest goes on, and the log says what does not. Sourced, not run.

server_ip() { ip -n "$(ns server)" "$@"; }

still_there() { # process
    ! gone "$1" || { echo "process $1 is gone"; return 1; }
}

# The same session as before goes on, both ways, without a redial.
goes_on() { # role
    still_there "$server" && still_there "$client" && within 10 pings_once "$1" "$inner_server" &&
        server_pings "$1" >/dev/null && [[ $(session_number) == "$session" ]]
}

session_number() {
    timeout 10 "$adit" session list --json --config "$work/adit.toml" |
        sed -n 's/.*"session": *\([0-9]*\).*/\1/p' | head -n 1
}

logged_once() { # words [at most]
    local count
    count=$(logged | grep -c -F "$1")
    ((count >= 1 && count <= ${2:-1})) || { echo "$count lines with \"$1\""; logged | tail -n 5; return 1; }
}

# What was dropped under that name so far.
dropped() { # name
    status | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" | grep . || echo 0
}

# --- the interface of all clients ---------------------------------------------------------------

taken_down_and_up() {
    local before
    mark
    before=$(dropped tun-dropped)
    server_ip link set adit0 down
    pings_once client "$inner_server" && { echo "a ping comes through"; return 1; }
    still_there "$server" || return 1
    (($(dropped tun-dropped) > before)) || { echo "nothing is counted"; return 1; }
    logged_once 'adit0 was taken down' || return 1
    server_ip link set adit0 up
    goes_on client && logged_once 'adit0 is up again'
}

removed() {
    local number
    for number in 1 2; do
        mark
        server_ip link delete adit0
        goes_on client && logged_once 'adit0 is gone' && logged_once 'adit0 is there again' ||
            { echo "the $number. time"; return 1; }
    done
    server_ip route show | grep -F 'dev adit0'
}

# A client has one only: it says goodbye and ends.
clients_own_removed() {
    local code
    ip -n "$(ns client)" link delete adit-c0
    within 10 gone "$client" || { echo "it goes on without an interface"; return 1; }
    wait "$client"
    code=$?
    ((code == 1)) || { echo "exit code $code"; return 1; }
    grep -F 'its interface is gone' "$work/client.log" && within 5 status_shows_nobody alice
}

# Somebody else has the name by then, as there is a pause after the last time: told, and left to
# the service manager.
removed_for_good() {
    mark
    server_ip link delete adit0
    within 5 logged_once 'adit0 is there again' || { echo "it is not made again"; return 1; }
    server_ip link delete adit0 && server_ip link add adit0 type veth peer name adit1 || return 1
    within 10 gone "$server" || { echo "it goes on without an interface"; return 1; }
    wait "$server"
    local code=$?
    server_ip link delete adit0
    ((code == 1)) || { echo "exit code $code"; return 1; }
    logged_once 'cannot be made again' && within 10 gone "$client"
}

# --- interfaces of single sessions --------------------------------------------------------------

one_device_down_and_up() {
    server_ip link set ppp0 down
    pings_once client1 "$inner_server" && { echo "a ping comes through"; return 1; }
    pings_once client2 "$inner_server" || { echo "the other client is held up"; return 1; }
    server_ip link set ppp0 up
    within 5 pings_once client1 "$inner_server" && server_pings client1
}

# Its session ends and says why; another comes at once.
one_device_removed() {
    mark
    server_ip link delete ppp0
    within 10 gone "$first" || { echo "the client does not notice"; return 1; }
    logged | grep 'session down' | grep -F 'its interface is gone' || return 1
    pings_once client2 "$inner_server" || { echo "the other client is held up"; return 1; }
    connect client1 alice && has_device client1 ppp0
}

case_devicefaults() {
    local first second
    device_configuration per-session true
    if [[ -z $adit ]]; then
        skip "devicefaults: adit itself: no program"
    elif check "devicefaults: namespaces" topology_homes &&
        check "devicefaults: adit serve listens" start_server "$work/devices.toml" &&
        check "devicefaults: two clients connect" both_connect; then
        check "devicefaults: an interface goes down and up" one_device_down_and_up
        check "devicefaults: an interface is removed" one_device_removed
        check "devicefaults: no descriptor for another interface" no_descriptor_for_a_device
    fi
    teardown
}

# --- the outside --------------------------------------------------------------------------------

# While `break` holds, packets to the client cannot be sent; both ends wait, and nothing floods the log.
outside_fails() { # break mend
    mark
    "$1" || return 1
    # Each of these wants to be sent, and cannot be.
    in_ns "$(ns server)" ping -n -q -c 50 -i 0.01 -W 1 "$(inner_of client)"
    still_there "$server" && still_there "$client" || return 1
    "$2" && goes_on client && (($(logged | wc -l) <= 6)) || { logged | tail -n 12; return 1; }
}

link_down() { server_ip link set eth0 down; }
link_up() { server_ip link set eth0 up; }
address_gone() { server_ip address delete 192.0.2.1/24 dev eth0; }
address_back() { server_ip address add 192.0.2.1/24 dev eth0; }

forbidden() {
    in_ns "$(ns server)" nft -f - <<'RULES'
table ip forbid {
    chain output {
        type filter hook output priority 0; policy accept;
        ip daddr 192.0.2.0/24 drop
    }
}
RULES
}
allowed() { in_ns "$(ns server)" nft delete table ip forbid; }

case_outside() {
    local session address
    # By name, a client without NAT, whose ESP is no UDP; by none, one behind it.
    local -A topology_of=([192.0.2.1]=topology_direct [0.0.0.0]=topology_nat)
    for address in 192.0.2.1 0.0.0.0; do
        sed "s/^addresses = .*/addresses = [\"$address\"]/" "$work/adit.toml" >"$work/outside.toml"
        if [[ -z $adit ]]; then
            skip "outside: adit itself: no program"
        elif check "outside: $address: namespaces" "${topology_of[$address]}" &&
            check "outside: $address: adit serve listens" start_server "$work/outside.toml" &&
            check "outside: $address: a client connects" connect client alice; then
            session=$(session_number)
            check "outside: $address: the link goes down and up" outside_fails link_down link_up
            check "outside: $address: the address goes and comes back" \
                outside_fails address_gone address_back
            check "outside: $address: a firewall forbids it for a while" outside_fails forbidden allowed
            [[ $address == 0.0.0.0 ]] && {
                check "outside: another address, to which a translator leads what comes" follows_address
                check "outside: clients get in at the new address" gets_in_at 192.0.2.9
            }
        fi
        teardown
    done
}

# The server's address is another one, and whatever stands in front of it sends packets there.
follows_address() {
    server_ip address add 192.0.2.9/24 dev eth0 && address_gone || return 1
    server_ip address show dev eth0 | grep -F 192.0.2.9/24 || server_ip address add 192.0.2.9/24 dev eth0
    in_ns "$(ns client)" nft -f - <<'RULES' || return 1
table ip lead {
    chain output {
        type nat hook output priority -100; policy accept;
        ip daddr 192.0.2.1 dnat to 192.0.2.9
    }
}
RULES
    goes_on client
}

gets_in_at() { # address
    in_ns "$(ns client)" timeout 30 "$adit" connect "$1" --check \
        --psk-file "$work/psk" --user bob --password-file "$work/password"
}

case_interface() {
    local session
    if [[ -z $adit ]]; then
        skip "interface: adit itself: no program"
    elif check "interface: namespaces" topology_direct &&
        check "interface: adit serve listens" start_server &&
        check "interface: a client connects" connect client alice; then
        session=$(session_number)
        check "interface: adit0 is taken down, and up again" taken_down_and_up
        check "interface: adit0 is removed, twice" removed
        check "interface: the client's own is removed" clients_own_removed
        check "interface: a client connects again" connect client alice
        check "interface: adit0 is removed, and somebody else takes the name" removed_for_good
    fi
    teardown
}

# --- descriptors --------------------------------------------------------------------------------

# New ones are below this number, and those below 3 are taken.
allow_descriptors() { # number
    prlimit --pid "$server" --nofile="$1:"
}

# Hundredths of a second of processor time that the server has used.
used() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }

# With none left: who is in stays in, somebody gets in, and what needs one says so, once.
without_descriptors() {
    local begin
    mark
    allow_descriptors 3 || return 1
    pings_once client "$inner_server" || { echo "who is in is held up"; return 1; }
    timeout 2 "$adit" status --config "$work/adit.toml" && { echo "there are descriptors"; return 1; }
    begin=$(used)
    sleep 2
    (($(used) - begin < 50)) || { echo "it spins: $(($(used) - begin)) hundredths in 2 s"; return 1; }
    logged_once 'control socket: no connection can be accepted' || return 1
    logged | grep -F 'no connection can be accepted' | grep -F 'LimitNOFILE=' || return 1
    kill -HUP "$server"
    within 10 eval 'logged | grep "not reloaded:" | grep -F LimitNOFILE=' ||
        { logged; echo "the reload says nothing of it"; return 1; }
    # The user's file is the same, and it is not read; nor are scripts to be started.
    gets_in_at "$server_address" || return 1
    within 5 eval 'logged | grep -F auth-up | grep -F LimitNOFILE=' ||
        { logged; echo "the script says nothing of it"; return 1; }
    pings_once client "$inner_server"
}

with_descriptors_again() {
    mark
    allow_descriptors 1024 || return 1
    within 5 status || { echo "no status"; return 1; }
    kill -HUP "$server"
    within 5 eval 'logged | grep "reloaded [0-9]* keys"' && goes_on client
}

no_descriptor_for_a_device() {
    mark
    stop "$second" 10
    within 5 no_such_device ppp1 || return 1
    allow_descriptors 3 || return 1
    refused client2 --psk-file "$work/psk" --user bob --password-file "$work/password" || return 1
    pings_once client1 "$inner_server" || { echo "the other client is held up"; return 1; }
    logged | grep -F 'client refused' | grep -F 'LimitNOFILE=' || { logged | tail -n 3; return 1; }
    allow_descriptors 1024
    connect client2 bob && has_device client2 ppp1
}

case_descriptors() {
    local session
    printf '#!/bin/sh\n' >"$work/nothing"
    chmod 755 "$work/nothing"
    { cat "$work/adit.toml"; printf '[scripts]\nauth-up = "%s"\n' "$work/auth-up"; } >"$work/scripts.toml"
    cp "$work/nothing" "$work/auth-up"
    if [[ -z $adit ]]; then
        skip "descriptors: adit itself: no program"
    elif check "descriptors: namespaces" topology_direct &&
        check "descriptors: adit serve listens" start_server "$work/scripts.toml" &&
        check "descriptors: a client connects" connect client alice; then
        session=$(session_number)
        check "descriptors: none is left" without_descriptors
        check "descriptors: there are some again" with_descriptors_again
    fi
    teardown
}
