# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# What a service manager sees: that the server is ready, reloads and ends. Sourced, not run.

service_clients=60

service_users() {
    local number
    for ((number = 1; number <= service_clients; number++)); do
        printf 'caller%d l2tpd "opens sesame" *\n' "$number"
    done >>"$work/chap-secrets"
}

# Clients that need neither rights nor an interface, and stay until they are told goodbye.
all_call() {
    local number
    for ((number = 1; number <= service_clients; number++)); do
        start "caller$number" "$(ns client)" "$adit" connect "$server_address" --check --count 65535 \
            --timeout 60s --psk-file "$work/psk" --user "caller$number" \
            --password-file "$work/password"
        callers+=("$started")
    done
    within 60 all_are_in || { echo "sessions: $(sessions)"; return 1; }
}

sessions() { timeout 10 "$adit" session list --json --config "$work/adit.toml" | grep -c '"user"'; }

all_are_in() { (($(sessions) == service_clients)); }

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# Everybody is told, and the server does not wait for them: both within two seconds.
all_are_told() {
    local begin code ended told caller
    begin=$(milliseconds)
    kill -TERM "$server"
    wait "$server"
    code=$?
    ended=$(($(milliseconds) - begin))
    for caller in "${callers[@]}"; do
        within 5 gone "$caller" || { echo "process $caller has not noticed"; return 1; }
    done
    told=$(($(milliseconds) - begin))
    because "exit code $code, $ended ms; the last of $service_clients clients gone after $told ms"
    ((code == 0 && ended < 2000 && told < 4000)) || return 1
    # Each by a message, and none by silence.
    (($(grep -l 'closed by the peer' "$work"/caller*.log | wc -l) == service_clients))
}

# As systemd starts it, with somebody who writes down what it tells.
start_as_service() {
    start notified "$(ns server)" python3 "$here/helper.py" notified "$work/notify"
    within 5 test -S "$work/notify" || return 1
    start server "$(ns server)" env NOTIFY_SOCKET="$work/notify" "$adit" serve \
        --config "$work/adit.toml"
    server=$started
    within 10 manager_hears 'READY=1'
}

manager_hears() { tail -n "+$((${seen:-0} + 1))" "$work/notified.log" | grep -E -- "$1"; }

# Of a unit of the type notify-reload: a reload begins and is done, whatever comes of it.
reload_is_told() { # status
    seen=$(wc -l <"$work/notified.log")
    kill -HUP "$server"
    within 10 manager_hears "READY=1.*STATUS=$1" && manager_hears '^RELOADING=1.*MONOTONIC_USEC=[0-9]+' &&
        ! gone "$server"
}

failed_reload_is_told() {
    local code
    echo ': PSK' >>"$work/ipsec.secrets"
    reload_is_told 'not reloaded'
    code=$?
    sed -i '$d' "$work/ipsec.secrets"
    return "$code"
}

# The tunnel secret is read at the start only.
reload_tells_of_the_secret() {
    local toml=$work/secret.toml
    { cat "$work/adit.toml"; printf '[l2tp]\nsecret-file = "%s"\n' "$work/tunnel-secret"; } >"$toml"
    (umask 077; echo 'one secret' >"$work/tunnel-secret")
    start_server "$toml" || return 1
    timeout 10 "$adit" reload --config "$toml" >"$work/reload" || return 1
    grep -F 'next start' "$work/reload" && { echo "nothing has changed"; return 1; }
    echo 'another secret' >"$work/tunnel-secret"
    timeout 10 "$adit" reload --config "$toml" | grep -F 'tunnel secret has changed'
}

case_service() {
    local callers=() seen=0
    if [[ -z $adit ]]; then
        skip "service: adit itself: no program"
    elif check "service: namespaces" topology_direct; then
        service_users
        if check "service: adit serve says when it is ready" start_as_service; then
            check "service: and when it has reloaded" reload_is_told reloaded
            check "service: and when it could not" failed_reload_is_told
            check "service: $service_clients clients come in" all_call &&
                check "service: told to end, the server tells everybody" all_are_told
            check "service: and that it ends" manager_hears STOPPING=1
        fi
        stop "$server" 10
        check "service: a reload tells what waits for the next start" reload_tells_of_the_secret
    fi
    teardown
}
