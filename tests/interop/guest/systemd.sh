# shellcheck shell=bash
# The machine itself as a host of the outside world, with systemd and adit's unit. Sourced after lib.sh.
# shellcheck disable=SC2154 # What is not assigned here is there.

# The node `server` is the machine: its own /etc, its own /run, and what systemd starts.
server=192.0.2.1

this_host() {
    ip netns attach server 1 &&
        mkdir -p /nodes/server &&
        ln -s /run /nodes/server/run &&
        plug server eth0 "$server/24" world world0
}

# As a package would: the program, its unit, and no configuration. What the unit says goes to the log
# that the other machines' servers write themselves.
install_adit() {
    install -m 755 /interop/adit /usr/bin/adit &&
        install -m 644 /interop/systemd/adit.service /usr/lib/systemd/system/adit.service &&
        mkdir -p /etc/adit &&
        systemctl daemon-reload || return 1
    : >"$logs/server-adit.log"
    journalctl --follow --output=cat --unit=adit >>"$logs/server-adit.log" 2>/dev/null &
}

property() { systemctl show --property="$2" --value "$1"; } # unit name

is() { [[ $(property "$1" "$2") == "$3" ]]; } # unit name value

# How the unit is, for a test that failed.
told() { # unit
    systemctl --no-pager --full status "$1"
    journalctl --no-pager --output=cat --unit="$1" --lines=15
    return 1
}

# Seconds since the machine was started, with two digits behind the point.
clock() { cut -d ' ' -f 1 /proc/uptime; }

seconds_since() { # clock
    awk -v then="$1" '{ printf "%.2f", $1 - then }' /proc/uptime
}

less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; } # number number
