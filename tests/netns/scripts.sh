# shellcheck shell=bash
# Scripts of the operator's as sessions come and go. Sourced by tests/netns/run.

# One file for all of them: what it was told, what of the session is there, and how long it takes.
script_file() { # name
    cat >"$work/$1" <<SCRIPT
#!/bin/sh
begin=\$(date +%s%N)
case \${0##*/} in
    ip-pre-up) sleep 1 ;;
    ip-up) sleep 0.3 ;;
esac
ip=\$(command -v ip || echo /sbin/ip)
line=\$(
    printf '%s|' "\${0##*/}" "\$PEERNAME" "\$begin" "\$(date +%s%N)" "\$IPREMOTE" \\
        "\${CONNECT_TIME:--}" "\${BYTES_SENT:--}" "\${BYTES_RCVD:--}" "\$SITE" "\$#" "\$@"
    \$ip -o address show dev "\$IFNAME" 2>/dev/null | grep -q ' inet ' && printf 'address'
)
# In one piece: those of other sessions write, too.
echo "\$line" >>"$work/scripts.txt"
SCRIPT
    chmod 755 "$work/$1"
}

script_configuration() {
    local name
    for name in auth-up ip-pre-up ip-up ip-down auth-down; do script_file "$name"; done
    : >"$work/scripts.txt"
    {
        cat "$work/adit.toml"
        echo '[scripts]'
        for name in auth-up ip-pre-up ip-up ip-down auth-down; do
            printf '%s = "%s"\n' "$name" "$work/$name"
        done
        echo 'ipparam = "%outer"'
        echo 'set = ["SITE=north"]'
    } >"$work/scripts.toml"
}

# The n-th field of the only line of a script and a user.
told() { # script user field
    awk -F '|' -v script="$1" -v user="$2" -v field="$3" \
        '$1 == script && $2 == user { print $field }' "$work/scripts.txt"
}

# Which scripts have ended for a user, in the order of their ends.
ran() { # user
    awk -F '|' -v user="$1" '$2 == user { printf "%s%s", sep, $1; sep = " " }' "$work/scripts.txt"
}

has_run() { # user scripts
    [[ $(ran "$1") == "$2" ]]
}

# The client waits for ip-pre-up, and for nothing else.
scripts_up() { # role user
    local before after
    within 10 has_run "$2" "auth-up ip-pre-up ip-up" || { ran "$2"; return 1; }
    before=$(told ip-pre-up "$2" 4)
    after=$(told ip-up "$2" 3)
    ((after >= before)) || { echo "ip-up began before ip-pre-up had ended"; return 1; }
    [[ $(told ip-up "$2" 5) == "$(inner_of "$1")" ]] || { echo "another address"; return 1; }
    # Six arguments, the interface first and the outer address last.
    [[ $(told ip-up "$2" 9) == north && $(told ip-up "$2" 10) == 6 ]] &&
        [[ $(told ip-up "$2" 14) == "$inner_server" && $(told ip-up "$2" 16) == 192.0.2.* ]]
}

# The bytes that a script was told are those of the log.
counts_agree() { # user
    local line sent received
    line=$(logged | grep 'session down' | grep -E "user=\"?$1")
    sent=$(sed 's/.*bytes_out=\([0-9]*\).*/\1/' <<<"$line")
    received=$(sed 's/.*bytes_in=\([0-9]*\).*/\1/' <<<"$line")
    because "$sent bytes sent, $received received"
    [[ $(told ip-down "$1" 7) == "$sent" && $(told ip-down "$1" 8) == "$received" ]] &&
        ((sent > 3000 && received > 3000)) && [[ $(told ip-down "$1" 6) -ge 1 ]]
}

scripts_down() { # user
    within 10 has_run "$1" "auth-up ip-pre-up ip-up ip-down auth-down" || { ran "$1"; return 1; }
    counts_agree "$1"
}

# Several that come and go at once: each has its own scripts, in order.
scripts_of_many() {
    local round user pids=()
    for user in carol dave erin; do
        printf '%s l2tpd "opens sesame" *\n' "$user" >>"$work/chap-secrets"
    done
    timeout 10 "$adit" reload --config "$work/scripts.toml" || return 1
    for user in carol dave erin; do
        in_ns "$(ns client)" timeout 30 "$adit" connect "$server_address" --check \
            --psk-file "$work/psk" --user "$user" --password-file "$work/password" \
            >"$work/$user.json" 2>&1 &
        pids+=($!)
    done
    for round in "${pids[@]}"; do wait "$round" || { cat "$work"/{carol,dave,erin}.json; return 1; }; done
    for user in carol dave erin; do
        within 10 has_run "$user" "auth-up ip-pre-up ip-up ip-down auth-down" ||
            { cat "$work/scripts.txt"; return 1; }
        (($(told ip-down "$user" 3) >= $(told ip-up "$user" 4))) ||
            { echo "$user: ip-down began before ip-up had ended"; return 1; }
    done
}

# At the end of the server the sessions' last scripts run within the time of the goodbyes.
scripts_at_the_end() { # user
    local begin=$SECONDS
    kill -TERM "$server"
    within 5 gone "$server" || return 1
    ((SECONDS - begin <= 3)) || { echo "it took $((SECONDS - begin)) s"; return 1; }
    has_run "$1" "auth-up ip-pre-up ip-up ip-down auth-down" || { ran "$1"; return 1; }
}

case_scripts() {
    [[ -n $adit ]] || { skip "scripts: adit itself: no program"; return; }
    script_configuration
    if check "scripts: namespaces" topology_direct &&
        check "scripts: adit serve listens" start_server "$work/scripts.toml"; then
        mark
        if check "scripts: a client connects" connect client alice; then
            check "scripts: up in order, and with what pppd tells" scripts_up client alice
            check "scripts: ping" pings_server client
            stop "$client" 10
            check "scripts: down in order, with the counts of the log" scripts_down alice
        fi
        check "scripts: several at once" scripts_of_many
        if check "scripts: a client connects again" connect client bob; then
            within 10 has_run bob "auth-up ip-pre-up ip-up"
            check "scripts: they run when the server ends" scripts_at_the_end bob
        fi
    fi
    teardown
}
