# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# Who guesses at passwords has to wait, and nobody else; what the log says of it is what fail2ban's
# filter looks for. Sourced, not run.

# client 192.0.2.2 --- 192.0.2.1 server 198.51.100.1 --- 198.51.100.2 other
topology_two_sources() {
    topology_direct && namespace other &&
        join server eth1 198.51.100.1/24 other eth0 198.51.100.2/24 &&
        default_route other 198.51.100.1
}

guesses() { # times
    local number
    mark
    for ((number = 0; number < $1; number++)); do
        refused client --psk-file "$work/psk" --user alice --password-file "$work/wrong-password" ||
            return 1
    done
    (($(logged | grep -c 'cause="wrong-password"') == $1)) || { logged | tail -n 8; return 1; }
    logged | grep 'login slowed' | grep -F 'user="alice"' | grep -F 'source=192.0.2.2'
}

try() { # role user
    in_ns "$(ns "$1")" timeout 30 "$adit" connect "$server_address" --check \
        --psk-file "$work/psk" --user "$2" --password-file "$work/password"
}

# The right password, from where the wrong ones came.
has_to_wait() {
    mark
    try client alice && { echo "alice gets in"; return 1; }
    logged | grep 'login failed' | grep -F 'user="alice"' | grep -F 'cause="slowed"'
}

slowed_users() { # number
    status | grep -F "\"slowed_users\": $1"
}

unlocked() {
    timeout 10 "$adit" user unlock alice --config "$work/guessing.toml" && slowed_users 0 &&
        try client alice
}

# The addresses that are found in the log: by fail2ban itself where it is, else by its expressions.
found_by_fail2ban() { # expected-lines
    local filter=$root/etc/fail2ban/filter.d/adit.conf found
    if command -v fail2ban-regex >/dev/null; then
        because "fail2ban-regex"
        found=$(fail2ban-regex --print-all-matched "$work/server.log" "$filter" | tee "$work/found" |
            sed -n 's/^Lines:.* \([0-9]*\) matched.*/\1/p')
        [[ $found == "$1" ]] || { cat "$work/found"; return 1; }
        return
    fi
    because "its expressions; there is no fail2ban-regex"
    python3 "$root/tests/common/fail2ban.py" "$filter" normal <"$work/server.log" >"$work/found"
    (($(wc -l <"$work/found") == $1)) && [[ $(sort -u "$work/found") == 192.0.2.2 ]] ||
        { cat "$work/found"; return 1; }
}

case_guessing() {
    { cat "$work/adit.toml"; printf '[guard]\nuser-failures = 4\nwait = "5m"\n'; } >"$work/guessing.toml"
    if [[ -z $adit ]]; then
        skip "guessing: adit itself: no program"
    elif check "guessing: namespaces" topology_two_sources && check "guessing: link" reaches other &&
        check "guessing: adit serve listens" start_server "$work/guessing.toml"; then
        check "guessing: wrong passwords are refused one by one, and then slowed" guesses 4
        check "guessing: alice's own password has to wait there" has_to_wait
        check "guessing: bob gets in from there" try client bob
        check "guessing: alice gets in from elsewhere" try other alice
        check "guessing: status counts who has to wait" slowed_users 1
        check "guessing: adit user unlock ends it" unlocked
        check "guessing: fail2ban finds the guesses and nothing else" found_by_fail2ban 4
    fi
    teardown
}
