# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# `[workers] threads`: several packet threads, of which each owns its clients.
# Sourced, not run.

write_threads() { # number
    { cat "$work/adit.toml"; printf '[workers]\nthreads = %s\npin = true\n' "$1"; } \
        >"$work/threads.toml"
}

packet_threads() { # number
    local names
    names=$(cat /proc/"$server"/task/*/comm | grep -c '^adit-worker-')
    because "$names"
    [[ $names == "$1" ]]
}

# Whichever thread reads a packet from the TUN device, the numbers of an association leave in order.
numbers_in_order() { # role outer-address
    local told
    told=$(in_ns "$(ns server)" timeout 60 python3 "$here/esp_numbers.py" \
        eth0 "$2" "$(inner_of "$1")" 12 400) || { echo "$told"; return 1; }
    because "$told"
}

case_threads() {
    write_threads 3
    if check "threads: namespaces" topology_homes && check "threads: link" reaches client1; then
        [[ -n $adit ]] || { skip "threads: adit itself: no program"; teardown; return; }
        if check "threads: adit serve listens" start_server "$work/threads.toml" &&
            check "threads: there are three packet threads" within 5 packet_threads 3 &&
            check "threads: a client connects" connect client1 alice &&
            check "threads: another behind the same address" connect client2 bob; then
            for role in client1 client2; do
                check "threads: $role pings" pings_server "$role"
                check "threads: the server pings $role" server_pings "$role"
                check "threads: numbers leave in order, to $role" \
                    numbers_in_order "$role" 192.0.2.254
                check "threads: iperf3 from $role to the server" throughput "$role"
                check "threads: iperf3 from the server to $role" throughput "$role" -R
            done
            check "threads: garbage changes nothing" survives_garbage client1
            check "threads: the client notices that the server ends" server_leaves
        fi
    fi
    teardown
    if check "threads: namespaces without NAT" topology_direct &&
        check "threads: link without NAT" reaches client &&
        check "threads: adit serve listens again" start_server "$work/threads.toml"; then
        check "threads: a client connects without NAT" connect client alice &&
            check "threads: numbers leave in order, as protocol 50" \
                numbers_in_order client 192.0.2.2
    fi
    teardown
}
