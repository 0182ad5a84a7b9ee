# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317 # Variables of tests/netns/run; functions called by name.
# Others that do not do their part: who reads the log, a disk that is full, who asks through the
# control socket, signals at odd moments. Sourced, not run.

# --- the log ------------------------------------------------------------------------------------

# A server whose standard error is a file; other than with `start`, nobody else has it. It lets
# clients in, something is so meanwhile, and it ends when it is told to.
with_log() { # file what-is-so
    ip netns exec "$(ns server)" env RUST_LOG=trace "$adit" serve --config "$work/adit.toml" 2>"$1" &
    server=$!
    processes+=("$server")
    while is_still_us "$server"; do sleep 0.005; done
    serves_and_ends "$2" && return
    kill -KILL "$server" 2>/dev/null
    wait "$server"
    return 1
}

serves_and_ends() { # what-is-so
    local code number
    within 10 listening "$(ns server)" -u 500 || return 1
    # Some hundred lines at this level.
    for number in 1 2 3; do
        gets_in_at "$server_address" >/dev/null || { echo "client $number does not get in"; return 1; }
    done
    status >"$work/status.json" || { echo "no status"; return 1; }
    "$1" || { echo "not so: ${1//_/ }"; return 1; }
    kill -TERM "$server"
    within 10 gone "$server" || { echo "it does not end"; return 1; }
    wait "$server"
    code=$?
    ((code == 0)) || { echo "exit code $code"; return 1; }
}

# A reader that stops, with the pipe open.
nobody_reads() {
    local reader
    mkfifo "$work/pipe" || return 1
    python3 "$here/helper.py" stuck "$work/pipe" &
    reader=$!
    processes+=("$reader")
    with_log "$work/pipe" the_pipe_is_full
    local code=$?
    kill "$reader"
    rm "$work/pipe"
    return "$code"
}

the_pipe_is_full() { python3 "$here/helper.py" full "$work/pipe"; }

lines_were_lost() { grep -F 'log line that nobody took' "$work/status.json"; }

disk_is_full() { with_log /dev/full lines_were_lost; }

# The reader has ended: a pipe that is closed at the other end.
reader_is_gone() {
    mkfifo "$work/pipe" || return 1
    true <"$work/pipe" &
    with_log "$work/pipe" lines_were_lost
    local code=$?
    rm "$work/pipe"
    return "$code"
}

case_log() {
    if [[ -z $adit ]]; then
        skip "log: adit itself: no program"
    elif check "log: namespaces" topology_direct; then
        check "log: nobody reads the pipe it goes to" nobody_reads
        check "log: whoever read the pipe is gone" reader_is_gone
        check "log: the disk it goes to is full" disk_is_full
    fi
    teardown
}

# --- a full disk --------------------------------------------------------------------------------

# In a mount namespace, which goes with the shell. The file of users is the one file adit writes.
edits_on_a_full_disk() {
    unshare --mount bash -u -c '
        folder=$1/disk adit=$2 password=$3
        mkdir "$folder" && mount -t tmpfs -o size=64k none "$folder" || exit 77
        (umask 077; printf "alice l2tpd \"opens sesame\" *\n" >"$folder/chap-secrets")
        cat /dev/zero >"$folder/filler" 2>/dev/null
        before=$(sha256sum <"$folder/chap-secrets")
        for words in "add bob" "set alice" "remove alice"; do
            # shellcheck disable=SC2086 # These are words.
            set -- $words
            [[ $1 == remove ]] && set -- "$@" || set -- "$@" --password-file "$password"
            said=$("$adit" user "$@" --file "$folder/chap-secrets" --server l2tpd 2>&1) &&
                [[ $1 != remove ]] && { echo "$words: it says that it worked"; exit 1; }
            [[ $1 == remove ]] && continue
            [[ $said == *"No space left"* ]] || { echo "$words: $said"; exit 1; }
            [[ $before == "$(sha256sum <"$folder/chap-secrets")" ]] || { echo "$words: the file is another"; exit 1; }
        done
        ls -A "$folder"
        [[ $(ls -A "$folder" | wc -l) == 2 ]]
    ' - "$work" "$adit" "$work/password"
    local code=$?
    rmdir "$work/disk" 2>/dev/null
    ((code != 77)) || { echo "no tmpfs here"; return 1; }
    return "$code"
}

# --- the control socket -------------------------------------------------------------------------

# Forty clients send these words, stay, and read nothing.
forty_and_one() { # words
    local holder code=0
    python3 "$here/helper.py" hold "$work/control.sock" 40 "$1" >"$work/held" &
    holder=$!
    processes+=("$holder")
    within 10 grep -q held "$work/held" || return 1
    timeout 5 "$adit" session list --config "$work/adit.toml" || code=1
    kill "$holder"
    wait "$holder" 2>/dev/null
    return "$code"
}

case_control() {
    if [[ -z $adit ]]; then
        skip "control: adit itself: no program"
    elif check "control: namespaces" topology_direct &&
        check "control: adit serve listens" start_server; then
        check "control: forty that say nothing, and one that asks" forty_and_one ''
        check "control: forty that say half of it" forty_and_one '{"verb":'
        check "control: forty that do not read the answers" forty_and_one unread
        check "control: an edit on a full disk leaves the file as it was" edits_on_a_full_disk
    fi
    teardown
}

# --- signals ------------------------------------------------------------------------------------

nothing_is_left() {
    no_device || return 1
    ! in_ns "$(ns server)" nft list table ip adit 2>/dev/null || { echo "the table is left"; return 1; }
    [[ ! -e $work/control.sock ]] || { echo "the socket is left"; return 1; }
    [[ $(in_ns "$(ns server)" cat /proc/sys/net/ipv4/ip_forward) == 0 ]] ||
        { echo "it still forwards"; return 1; }
}

# At any moment of its start, from before it is the program to after it serves.
ended_while_it_starts() {
    local pause code seen=()
    for pause in 0 0.002 0.005 0.01 0.02 0.03 0.04 0.05 0.06 0.08 0.1 0.15 0.2 0.3 0.5; do
        start server "$(ns server)" "$adit" serve --config "$work/masquerade.toml"
        sleep "$pause"
        kill -TERM "$started"
        within 5 gone "$started" || { echo "after $pause s: it does not end"; return 1; }
        wait "$started"
        code=$?
        seen+=("$code")
        ((code == 0 || code == 143)) || { echo "after $pause s: exit code $code"; return 1; }
        nothing_is_left || { echo "after $pause s, exit code $code"; return 1; }
    done
    because "exit codes ${seen[*]}"
}

# Told again and again while it says goodbye to somebody who does not answer.
told_to_end_often() {
    local number
    client_up client || return 1
    kill -STOP "$client"
    for number in 1 2 3 4 5; do
        kill -TERM "$server" 2>/dev/null
        kill -INT "$server" 2>/dev/null
        kill -HUP "$server" 2>/dev/null
    done
    within 5 gone "$server" || { echo "it does not end"; return 1; }
    wait "$server"
    local code=$?
    kill -CONT "$client"
    ((code == 0)) || { echo "exit code $code"; return 1; }
}

way_outside() { [[ -n $(ip -n "$(ns client)" route show "$server_address") ]]; }

# A client whose terminal is closed says goodbye, and the way to the server is as it was before.
client_hangs_up() {
    connect client alice env --default-signal=HUP && way_outside || return 1
    kill -HUP "$client"
    within 5 gone "$client" || { echo "it does not end"; return 1; }
    way_outside && { echo "its route is left"; return 1; }
    within 5 status_shows_nobody alice
}

hangs_up_under_nohup() {
    connect client alice env --ignore-signal=HUP || return 1
    kill -HUP "$client"
    sleep 1
    gone "$client" && { echo "it has ended"; return 1; }
    stop "$client" 10
}

# However often it is asked for, it is read again once a second at most, and the traffic goes on.
storm_of_reloads() {
    local number reloads
    mark
    for ((number = 0; number < 500; number++)); do kill -HUP "$server"; done
    in_ns "$(ns client)" ping -n -q -c 20 -i 0.05 -W 1 "$inner_server" || return 1
    for ((number = 0; number < 500; number++)); do kill -HUP "$server"; done
    sleep 2
    reloads=$(logged | grep -c 'reloaded [0-9]* keys')
    because "1000 signals, $reloads reloads"
    ((reloads >= 1 && reloads <= 6)) && status
}

case_signals() {
    { cat "$work/adit.toml"; printf '[nat]\nmasquerade = true\n'; } >"$work/masquerade.toml"
    if [[ -z $adit ]]; then
        skip "signals: adit itself: no program"
    elif check "signals: namespaces" topology_direct; then
        check "signals: told to end while it starts" ended_while_it_starts
        if check "signals: adit serve listens" start_server "$work/masquerade.toml" &&
            check "signals: a client's terminal is closed" client_hangs_up &&
            check "signals: the same under nohup" hangs_up_under_nohup &&
            check "signals: a client connects" connect client alice; then
            check "signals: a storm of reloads" storm_of_reloads
            check "signals: told to end again and again" told_to_end_often
            check "signals: nothing is left" nothing_is_left
        fi
    fi
    teardown
}
