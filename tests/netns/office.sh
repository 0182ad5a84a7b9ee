# shellcheck shell=bash
# Many clients behind one translator, which come and go. Sourced by tests/netns/run.
#
# Every home has the same addresses inside, so that all clients have the same address and use the same
# ports, and a carrier's translator gives all of them one address outside:
#
# server 192.0.2.1 --- 192.0.2.254 nat 100.64.N.1 --- 100.64.N.2 homeN 192.168.7.1 --- 192.168.7.2 clientN

office_size=50
# These never leave while the others do, and must not notice.
office_residents=8
office_seconds=20

topology_office() {
    local home
    namespace server && namespace nat &&
        join server eth0 192.0.2.1/24 nat outside 192.0.2.254/24 &&
        masquerade nat outside || return 1
    for ((home = 1; home <= office_size; home++)); do
        attach_home "$home" || return 1
    done
}

# What all of them read: a user each, so that nobody's session takes the place of another's.
office_users() {
    local home
    for ((home = 1; home <= office_size; home++)); do
        printf 'home%d l2tpd "opens sesame" *\n' "$home"
    done >>"$work/chap-secrets"
}

# Sets `office_pids[home]`.
arrive() { # home
    start "client$1" "$(ns "client$1")" "$adit" connect "$server_address" --profile windows10 \
        --psk-file "$work/psk" --user "home$1" --password-file "$work/password" --tun adit-c0
    office_pids[$1]=$started
}

leave() { # home
    stop "${office_pids[$1]}" 10 || { echo "client $1 did not end by itself"; return 1; }
    unset "office_pids[$1]"
}

# Whether each of these answers and is answered, and no two have one inner address.
all_up() {
    local home inner addresses=()
    for ((home = 1; home <= office_size; home++)); do
        within 60 client_up "client$home" || { echo "client $home is not up"; return 1; }
        inner=$(inner_of "client$home")
        addresses+=("$inner")
    done
    inner=$(printf '%s\n' "${addresses[@]}" | sort -u | wc -l)
    ((inner == office_size)) || { echo "only $inner different inner addresses"; return 1; }
}

everybody_arrives() {
    local home begin=$SECONDS
    for ((home = 1; home <= office_size; home++)); do
        arrive "$home" || return 1
    done
    all_up && because "$office_size in $((SECONDS - begin)) s"
}

# Pings from several clients at once; fails if one packet of one of them is lost.
ping_together() { # last-home pings
    local home jobs=() lost=0
    for ((home = 1; home <= $1; home++)); do
        in_ns "$(ns "client$home")" ping -n -q -c "$2" -i 0.5 -W 5 "$inner_server" \
            >"$work/ping$home.txt" 2>&1 &
        jobs+=($!)
    done
    for home in "${!jobs[@]}"; do
        wait "${jobs[home]}"
        if ! grep -q ' 0% packet loss' "$work/ping$((home + 1)).txt"; then
            echo "client $((home + 1)):"
            cat "$work/ping$((home + 1)).txt"
            lost=$((lost + 1))
        fi
    done
    ((lost == 0))
}

# The others come and go by chance, while the residents ping.
coming_and_going() {
    local home end moves=0 residents
    RANDOM=$((10#$(date +%N) % 32768))
    echo "chance begins with $RANDOM"
    ping_together "$office_residents" $((office_seconds * 2)) >"$work/residents.txt" 2>&1 &
    residents=$!
    end=$((SECONDS + office_seconds))
    while ((SECONDS < end)); do
        home=$((office_residents + 1 + RANDOM % (office_size - office_residents)))
        if [[ -n ${office_pids[home]:-} ]]; then
            leave "$home" || return 1
        else
            arrive "$home" || return 1
        fi
        moves=$((moves + 1))
    done
    wait "$residents" || { cat "$work/residents.txt"; return 1; }
    for ((home = 1; home <= office_size; home++)); do
        [[ -n ${office_pids[home]:-} ]] || arrive "$home" || return 1
    done
    all_up && because "$moves moves in $office_seconds s"
}

# Slots of tables, SPIs, addresses, timers: a tunnel lingers for half a minute to acknowledge a
# repeated goodbye.
nothing_held() {
    timeout 10 "$adit" status --totals --json --config "$work/adit.toml" |
        python3 "$here/helper.py" nothing-held
}

holds_nothing_in_the_end() { within 100 nothing_held || nothing_held; }

everybody_leaves() {
    local home
    kill -TERM "${office_pids[@]}"
    for home in "${!office_pids[@]}"; do
        leave "$home" || return 1
    done
    within 10 status_shows_nobody home1 && status_shows_nobody "home$office_size"
}

case_office() {
    local office_pids=()
    [[ -n $adit ]] || { skip "office: adit itself: no program"; return; }
    office_users
    if check "office: $office_size homes behind one address" topology_office &&
        check "office: adit serve listens" start_server &&
        check "office: everybody connects" everybody_arrives; then
        check "office: all ping at once" ping_together "$office_size" 10
        check "office: clients come and go, the others do not notice" coming_and_going
        check "office: all ping at once again" ping_together "$office_size" 10
        check "office: everybody leaves" everybody_leaves &&
            check "office: the server holds nothing of anybody" holds_nothing_in_the_end
    fi
    teardown
}
